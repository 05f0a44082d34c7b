import { isSupportedCurrency } from '../money.js'
import { productFields } from '../rules/catalogue-product.js'
import { nearestName } from '../rules/nearest-name.js'
import { quoted } from './quoted.js'

/** The columns that every file can have; those of prices in further currencies come besides. */
export const plainColumns: readonly string[] = productFields.filter(field => field !== 'prices')

const byPlainName = new Map(plainColumns.map(column => [plain(column), column]))
const PRICE = /^price[ _-]?([a-z]{3})$/i

/** The field that a heading names, whatever its case, spaces and underscores; or what is wrong with it. */
export function columnOf(heading: string): { field: string } | { problem: string } {
  const field = byPlainName.get(plain(heading))
  if (field !== undefined) return { field }
  const currency = PRICE.exec(heading.trim())?.[1]?.toUpperCase()
  if (currency !== undefined && isSupportedCurrency(currency)) return { field: priceColumn(currency) }
  if (currency !== undefined) return { problem: `${currency} is not a currency that Stripe takes` }
  const nearest = nearestName(heading.trim(), [...plainColumns, 'price_CHF'])
  const meant = nearest === undefined ? '' : `; did you mean ${nearest}?`
  return {
    problem: `there is no column ${quoted(heading)}${meant || `. The columns are ${plainColumns.join(', ')}, price_CHF …`}`
  }
}

export function priceColumn(currency: string): string {
  return `price_${currency}`
}

/** The currency of a price column, if it is one. */
export function currencyOf(field: string): string | undefined {
  return /^price_([A-Z]{3})$/.exec(field)?.[1]
}

function plain(heading: string): string {
  return heading.toLowerCase().replace(/[\s_-]/g, '')
}
