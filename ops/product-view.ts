import type { StoredProduct } from '../shared/rules/catalogue-product.js'
import type { ProductTrailRow } from '../shared/statements/catalogue.js'
import { amountText } from './amount.js'
import { localTime } from './local-time.js'
import { print } from './print.js'
import { printTable } from './table.js'

export function viewProducts(products: StoredProduct[], limit: number): void {
  printTable(
    [
      ['ID', 'SLUG', 'NAME', 'PRICE', 'STOCK', 'RESERVED'],
      ...products.map(each => [
        each.id,
        each.slug,
        each.name,
        pricesText(each),
        each.trackStock ? String(each.stock) : 'not counted',
        String(each.reserved)
      ])
    ],
    ['STOCK', 'RESERVED']
  )
  const last = products.at(-1)
  if (products.length === limit && last !== undefined) print(`More: --after ${last.id}`)
}

export function viewProduct(product: StoredProduct, trail: ProductTrailRow[]): void {
  const { id, slug, name, description, stock, trackStock, reserved, active } = product
  print(`${name}  ${slug}  ${id}`)
  if (description !== null && description !== '') print(description)
  print(`Price ${pricesText(product)}`)
  print(`Stock ${trackStock ? stock : 'not counted'}, of which reserved ${reserved}`)
  if (!active) print('Not active: it is sold no more.')
  if (trail.length === 0) return
  print('\nWhat happened')
  printTable([
    ['WHEN', 'WHAT', 'BY', 'BEFORE', 'AFTER'],
    ...trail.map(({ createdAt, action, before, after, metadata }) => [
      localTime(createdAt),
      action,
      metadata?.operator ?? '',
      fields(before),
      fields(after)
    ])
  ])
}

function pricesText({ price, currency, prices }: StoredProduct): string {
  return [[currency, price] as const, ...Object.entries(prices)]
    .map(([code, amount]) => amountText(amount, code))
    .join(', ')
}

/** As they stand in the trail: amounts in minor units. */
function fields(state: object | null): string {
  if (state === null) return ''
  return Object.entries(state)
    .map(([name, value]) => `${name} ${typeof value === 'object' ? JSON.stringify(value) : value}`)
    .join(', ')
}
