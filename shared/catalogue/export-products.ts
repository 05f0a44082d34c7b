import { stringify } from 'csv-stringify/sync'
import type { Queryable } from '../database/database.js'
import { type MinorUnits, toDecimalString } from '../money.js'
import type { StoredProduct } from '../rules/catalogue-product.js'
import { listProducts } from '../statements/catalogue.js'
import { plainColumns, priceColumn } from './columns.js'
import type { FileFormat } from './product-file.js'

const PAGE = 1_000

/** All products, or the active ones, in pages; each page of the ids after the one before. */
async function* allProducts(db: Queryable, active?: boolean): AsyncGenerator<StoredProduct[]> {
  for (let after = ''; ; ) {
    const products = await listProducts(db, { after, limit: PAGE, active })
    const last = products.at(-1)
    if (last === undefined) return
    yield products
    after = last.id
  }
}

/** A file that importProducts() takes back and finds nothing changed, in pieces. `currencies` are those with further prices. */
export async function* exportProducts(db: Queryable, format: FileFormat, currencies: string[]): AsyncGenerator<string> {
  if (format === 'jsonl') {
    for await (const page of allProducts(db))
      yield page.map(product => `${JSON.stringify(asObject(product))}\n`).join('')
    return
  }
  const columns = plainColumns.flatMap(column =>
    column === 'currency' ? [column, ...currencies.map(priceColumn)] : column
  )
  yield csv([columns])
  for await (const page of allProducts(db))
    yield csv(page.map(product => columns.map(column => asCell(product, column))))
}

/** Every text in quotes: so nothing in it can be taken for an end of a cell or line. */
function csv(rows: string[][]): string {
  return stringify(rows, { quoted_string: true, record_delimiter: '\r\n' })
}

/** A product in the fields of an import; prices as decimal text. */
export function asObject(product: StoredProduct): Record<string, unknown> {
  const { id, slug, name, description, image, currency, stock, trackStock, backorderLimit, active } = product
  return {
    id,
    slug,
    name,
    description,
    image,
    price: decimal(product.price, currency),
    currency,
    prices: Object.fromEntries(Object.entries(product.prices).map(([code, amount]) => [code, decimal(amount, code)])),
    stock,
    trackStock,
    backorderLimit,
    active
  }
}

function asCell(product: StoredProduct, column: string): string {
  const object = asObject(product)
  const further = object.prices as Record<string, string>
  const value = column in object ? object[column] : (further[column.slice(priceColumn('').length)] ?? '')
  return value === null ? '' : String(value)
}

function decimal(amount: number, currency: string): string {
  return toDecimalString(amount as MinorUnits, currency)
}
