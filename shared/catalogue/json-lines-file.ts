import { messageOf } from '../errors.js'
import { columnOf, priceColumn } from './columns.js'
import type { CatalogueProblem, Cell, GivenCatalogue, GivenProduct } from './given-product.js'

/** Reads JSON Lines: one object a line, with the fields of a product and `prices` by currency. */
export function readJsonLines(file: Buffer): GivenCatalogue {
  const text = file.toString()
  if (/^\s*\[/.test(text)) {
    const message = 'this is a JSON array: JSON Lines has one object a line, which `jq -c ".[]" FILE` makes of it'
    return { products: [], problems: [{ line: 1, column: null, message }] }
  }
  const problems: CatalogueProblem[] = []
  const products = text.split(/\r\n|\n|\r/).flatMap((content, index) => {
    if (content.trim() === '') return []
    const read = readLine(content, index + 1)
    problems.push(...read.problems)
    return read.problems.length === 0 && read.product !== undefined ? [read.product] : []
  })
  return { products, problems }
}

function readLine(content: string, line: number): { product?: GivenProduct; problems: CatalogueProblem[] } {
  try {
    return readProductObject(JSON.parse(content), line)
  } catch (error) {
    return { problems: [{ line, column: null, message: `this is not JSON: ${messageOf(error)}` }] }
  }
}

/** A product as a JSON object. A price is a text or a number, of which the digits count. */
export function readProductObject(
  value: unknown,
  line: number
): { product?: GivenProduct; problems: CatalogueProblem[] } {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    const message = 'a product is a JSON object such as {"id": "…", "name": "Mug", "price": "19.99"}'
    return { problems: [{ line, column: null, message }] }
  }
  const cells = new Map<string, Cell>()
  const problems: CatalogueProblem[] = []
  const take = (field: string, column: string, inner: unknown) => {
    const text = textOf(field, inner)
    if (text === undefined) problems.push({ line, column, message: `expected ${expectedFor(field)}` })
    else if (cells.has(field)) problems.push({ line, column, message: 'is given twice' })
    else cells.set(field, { column, text })
  }
  for (const [name, inner] of Object.entries(value)) {
    if (name === 'prices') {
      readPrices(inner, take, message => problems.push({ line, column: name, message }))
      continue
    }
    const read = columnOf(name)
    if ('problem' in read) problems.push({ line, column: name, message: read.problem })
    else take(read.field, name, inner)
  }
  return { product: { line, cells }, problems }
}

function readPrices(
  prices: unknown,
  take: (field: string, column: string, inner: unknown) => void,
  refuse: (message: string) => void
): void {
  if (typeof prices !== 'object' || prices === null || Array.isArray(prices))
    return refuse('expected an object such as {"CHF": "18.50"}')
  for (const [currency, inner] of Object.entries(prices)) {
    const read = columnOf(priceColumn(currency))
    if ('problem' in read) refuse(read.problem)
    else take(read.field, `prices.${currency}`, inner)
  }
}

const NUMBERS = ['stock', 'backorderLimit']
const FLAGS = ['trackStock', 'active']

/** As the cell of a table would say it: null is empty. */
function textOf(field: string, value: unknown): string | undefined {
  if (value === null) return ''
  if (typeof value === 'string') return value
  if (typeof value === 'number' && (NUMBERS.includes(field) || field.startsWith('price'))) return String(value)
  if (typeof value === 'boolean' && FLAGS.includes(field)) return String(value)
  return undefined
}

function expectedFor(field: string): string {
  if (NUMBERS.includes(field)) return 'a whole number'
  if (FLAGS.includes(field)) return 'true or false'
  return field.startsWith('price') ? 'a price such as "19.99"' : 'a text'
}
