import { amountDecimals, isSupportedCurrency, parsePrice, priceDecimals } from '../money.js'
import { MAX_AMOUNT, MAX_COUNT } from '../rules/product-values.js'
import { currencyOf } from './columns.js'
import { ADDED_STOCK, type CatalogueProblem, type GivenProduct } from './given-product.js'
import { quoted } from './quoted.js'

/** A product as it is wanted, in values; undefined leaves what there is, null clears. Texts are not looked at yet. */
export interface WantedProduct {
  line: number
  id?: string
  slug?: string
  name?: string
  description?: string | null
  image?: string | null
  /** In `currency`, or where that is absent in the shop's. */
  price?: number
  currency?: string
  /** By currency. */
  prices: Map<string, number | null>
  stock?: number
  /** Comes on top of what there is, below zero off it. */
  addedStock?: number
  trackStock?: boolean
  backorderLimit?: number
  active?: boolean
  uncountedWhenNew: boolean
  /** The fields that were given and could not be read: a problem already. */
  unreadable: ReadonlySet<string>
  /** How the file calls a field. */
  columnOf(field: string): string
}

/** Reads the numbers, prices and flags of a product; every one that cannot be read is a problem. */
export function readWanted(
  given: GivenProduct,
  shopCurrency: string,
  refuse: (problem: CatalogueProblem) => void
): WantedProduct {
  const text = (field: string) => given.cells.get(field)?.text
  const columnOf = (field: string) => given.cells.get(field)?.column ?? field
  const unreadable = new Set<string>()
  /** Reads a cell that is there; what `read` finds wrong is a problem. */
  const cell = <T>(field: string, read: (text: string) => T | Wrong): T | undefined => {
    const value = text(field)
    if (value === undefined) return undefined
    const result = read(value)
    if (!(result instanceof Wrong)) return result
    unreadable.add(field)
    refuse({ line: given.line, column: columnOf(field), message: result.message })
    return undefined
  }
  const currency = cell('currency', readCurrency)
  const trackStock = cell('trackStock', readFlag)
  const prices = new Map<string, number | null>()
  for (const field of given.cells.keys()) {
    const further = currencyOf(field)
    if (further === undefined) continue
    const amount = cell(field, value => (value.trim() === '' ? null : readPrice(value, further)))
    if (amount !== undefined) prices.set(further, amount)
  }
  return {
    line: given.line,
    columnOf,
    id: text('id')?.trim() || undefined,
    slug: text('slug') || undefined,
    name: text('name'),
    description: emptyIsNull(text('description')),
    image: emptyIsNull(text('image')),
    price: cell('price', value => readPrice(value, currency || shopCurrency)),
    currency: currency || undefined,
    prices,
    // What is not counted has no number to write.
    stock: cell('stock', value => (trackStock === false && value.trim() === '' ? undefined : readCount(value))),
    addedStock: cell(ADDED_STOCK, readDifference),
    trackStock,
    backorderLimit: cell('backorderLimit', value => (value.trim() === '' ? 0 : readCount(value))),
    active: cell('active', readFlag),
    uncountedWhenNew: given.uncountedWhenNew === true,
    unreadable
  }
}

class Wrong {
  constructor(readonly message: string) {}
}

function emptyIsNull(text: string | undefined): string | null | undefined {
  return text === '' ? null : text
}

function readPrice(text: string, currency: string): number | Wrong {
  const digits = text.trim()
  if (digits === '') return new Wrong('must not be empty: leave the column out to keep the prices')
  if (!/^\d+(\.\d+)?$/.test(digits))
    return new Wrong(
      `${quoted(text)} is no price: write it as ${example(currency)}, without a sign, a comma or a currency`
    )
  // Zeros at the end say nothing: 19.990 is 19.99.
  const amount = parsePrice(digits.replace(/(\.\d*?)0+$/, '$1').replace(/\.$/, ''), currency)
  if (amount === undefined && digits.replace('.', '').length < 15) {
    const decimals = priceDecimals(currency)
    return new Wrong(
      `${currency} has no price ${quoted(text)}: ${decimals === 0 ? 'no' : `at most ${decimals}`} decimals`
    )
  }
  if (amount === 0) return new Wrong('a price has to be above zero')
  if (amount === undefined || amount > MAX_AMOUNT) return new Wrong(`${quoted(text)} is more than Stripe takes`)
  return amount
}

function example(currency: string): string {
  const decimals = Math.min(amountDecimals(currency), priceDecimals(currency))
  return decimals === 0 ? '1999' : (19.99).toFixed(decimals)
}

/** Empty is the shop's. */
function readCurrency(text: string): string | Wrong {
  const code = text.trim().toUpperCase()
  return code === '' || isSupportedCurrency(code)
    ? code
    : new Wrong(`${quoted(text)} is not a currency that Stripe takes`)
}

function readCount(text: string): number | Wrong {
  const digits = text.trim()
  if (digits === '') return new Wrong('must not be empty: leave the column out to keep the numbers')
  if (!/^\d+$/.test(digits)) return new Wrong(`${quoted(text)} is not a whole number from 0 up`)
  return Number(digits) <= MAX_COUNT
    ? Number(digits)
    : new Wrong(`${quoted(text)} is more than can be counted (${MAX_COUNT})`)
}

function readDifference(text: string): number | Wrong {
  if (/^[+-]?\d{1,9}$/.test(text.trim())) return Number(text)
  return new Wrong(`${quoted(text)} is not a whole number such as 5 or -5`)
}

const FLAGS: Record<string, boolean | undefined> = {
  true: true,
  false: false,
  // As PostgreSQL copies them out.
  t: true,
  f: false,
  yes: true,
  no: false,
  on: true,
  off: false,
  '1': true,
  '0': false
}

function readFlag(text: string): boolean | Wrong {
  return FLAGS[text.trim().toLowerCase()] ?? new Wrong(`${quoted(text)} is neither true nor false`)
}
