import { invalidRequest } from './errors.js'
import type { Store } from './store.js'

type Json = Record<string, unknown>

const MAX_DEPTH = 4
/** Properties that an object may be without and that can be expanded all the same. */
const OPTIONAL: Record<string, string[]> = { refund: ['failure_balance_transaction'] }

/** Replaces ids by their objects along each path, in a copy: https://docs.stripe.com/api/expanding_objects */
export function expand(store: Store, object: unknown, paths: string[]): unknown {
  const copy = structuredClone(object) as Json
  for (const path of paths) {
    const keys = path.split('.')
    if (keys.length > MAX_DEPTH)
      throw invalidRequest(`You cannot expand more than ${MAX_DEPTH} levels of a property (${path}).`, {
        param: 'expand'
      })
    walk(store, copy, keys, path)
  }
  return copy
}

function walk(store: Store, object: Json, keys: string[], path: string): void {
  const [key, ...rest] = keys
  if (key === undefined) return
  const value = includable(store, object, key) ?? object[key]
  if (value === undefined && OPTIONAL[String(object.object)]?.includes(key)) return
  if (value === undefined) {
    throw invalidRequest(`This property cannot be expanded (${path}). You may want to try expanding without it.`, {
      param: 'expand'
    })
  }
  if (value === null) return
  if (Array.isArray(value)) {
    for (const entry of value) if (typeof entry === 'object' && entry !== null) walk(store, entry as Json, rest, path)
    return
  }
  const expanded = typeof value === 'string' ? structuredClone(store.find(value)) : value
  if (expanded === undefined) throw invalidRequest(`This property cannot be expanded (${path}).`, { param: 'expand' })
  object[key] = expanded
  walk(store, expanded as Json, rest, path)
}

/** Lists that an object shows only when they are expanded. */
function includable(store: Store, object: Json, key: string): unknown {
  if (key === 'line_items' && object.object === 'checkout.session') {
    const data = structuredClone(store.lineItems.get(String(object.id)) ?? [])
    return { object: 'list', data, has_more: false, url: `/v1/checkout/sessions/${object.id}/line_items` }
  }
  if (key === 'refunds' && object.object === 'charge') {
    const data = [...store.table('refund').values()].filter(refund => refund.charge === object.id).reverse()
    return { object: 'list', data: structuredClone(data), has_more: false, url: `/v1/charges/${object.id}/refunds` }
  }
  if (key === 'currency_options' && object.object === 'price')
    return structuredClone(store.table('price').get(String(object.id))?.currency_options ?? {})
  return undefined
}
