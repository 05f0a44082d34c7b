import type { CatalogueChange, ProductChange } from '../shared/catalogue/catalogue-change.js'
import type { Product, ProductState } from '../shared/rules/catalogue-product.js'
import { amountText } from './amount.js'
import { print, printed } from './print.js'

/** One line a product: what it was and what it becomes. */
export function describeChange({ line, product, before, after, isIdMade = false }: ProductChange): string {
  const place = line !== null && line > 0 ? `line ${line}: ` : ''
  const name = isIdMade ? product.slug : `${product.id} (${product.slug})`
  if (before === null) return `${place}new ${name} "${product.name}", ${describeNew(product).join(', ')}`
  const fields = Object.keys(after) as (keyof ProductState)[]
  const texts = fields
    .filter(field => field !== 'prices')
    .map(field => {
      const text = (state: ProductState) => valueText(field, state[field], state.currency ?? product.currency)
      return `${field} ${text(before)} → ${text(after)}`
    })
  const prices = Object.keys(after.prices ?? {}).map(currency => {
    const text = (state: ProductState) => valueText('price', state.prices?.[currency] ?? null, currency)
    return `${currency} ${text(before)} → ${text(after)}`
  })
  return `${place}${name}: ${[...texts, ...prices].join(', ')}`
}

/** What an import did, or, `dryRun`, would do. */
export async function viewChanges(change: CatalogueChange, dryRun: boolean): Promise<void> {
  if (dryRun)
    for (const each of change.changes) {
      print(describeChange(each))
      await printed()
    }
  print(changesOf(change))
  if (dryRun) print('Nothing was written: this is what would change.')
}

function describeNew({ price, currency, prices, stock, trackStock, backorderLimit, active }: Product): string[] {
  return [
    amountText(price, currency),
    ...Object.entries(prices).map(([code, amount]) => amountText(amount, code)),
    trackStock ? `stock ${stock}` : 'stock not counted',
    ...(backorderLimit > 0 ? [`backorderLimit ${backorderLimit}`] : []),
    ...(active ? [] : ['not active'])
  ]
}

/** How many of each there are. */
function changesOf({ changes, unchanged }: CatalogueChange): string {
  const created = changes.filter(({ before }) => before === null).length
  const deactivated = changes.filter(({ before, after }) => before?.active === true && after.active === false).length
  return `${created} new, ${changes.length - created} changed (${deactivated} of them deactivated), ${unchanged} as they were.`
}

const MAX_TEXT = 60

function valueText(field: string, value: unknown, currency: string): string {
  if (value === null || value === undefined) return 'nothing'
  if (field === 'price') return amountText(Number(value), currency)
  const text = String(value)
  if (typeof value !== 'string' || field === 'currency') return text
  return JSON.stringify(text.length > MAX_TEXT ? `${text.slice(0, MAX_TEXT)}…` : text)
}
