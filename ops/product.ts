import { parseArgs } from 'node:util'
import { columnOf } from '../shared/catalogue/columns.js'
import { editProducts } from '../shared/catalogue/edit-products.js'
import { asObject } from '../shared/catalogue/export-products.js'
import { ADDED_STOCK, type Cell } from '../shared/catalogue/given-product.js'
import { Refused } from '../shared/refused.js'
import type { StoredProduct } from '../shared/rules/catalogue-product.js'
import type { Services } from '../shared/runtime/services.js'
import { findProduct, listProducts, readProductTrail } from '../shared/statements/catalogue.js'
import { operator, why, withDatabase } from './environment.js'
import { print, printJson, printTable } from './print.js'
import { describeChange, moneyText } from './product-changes.js'
import { exportFile, importFile } from './product-files.js'
import { required, UsageError } from './usage-error.js'

type Opened = Pick<Services, 'config' | 'db' | 'now'>

const actions: Record<string, ((opened: Opened, args: string[]) => Promise<void>) | undefined> = {
  list,
  show,
  set,
  stock,
  deactivate,
  import: importFile,
  export: exportFile
}

export async function product([action = '', ...args]: string[]): Promise<void> {
  const run = actions[action]
  if (run === undefined) throw new UsageError(`product takes ${Object.keys(actions).join(', ')}.`)
  await withDatabase(opened => run(opened, args))
}

async function list({ db }: Opened, args: string[]): Promise<void> {
  const options = {
    search: { type: 'string' },
    inactive: { type: 'boolean', default: false },
    after: { type: 'string', default: '' },
    limit: { type: 'string', default: '50' }
  } as const
  const { values } = parseArgs({ args, options })
  const limit = Math.min(Number(values.limit) || 50, 1_000)
  const { search, after } = values
  const products = await listProducts(db.pool, { search, after, limit, active: !values.inactive })
  printTable([
    ['ID', 'SLUG', 'NAME', 'PRICE', 'STOCK', 'RESERVED'],
    ...products.map(each => [
      each.id,
      each.slug,
      each.name,
      pricesText(each),
      each.trackStock ? String(each.stock) : 'not counted',
      String(each.reserved)
    ])
  ])
  const last = products.at(-1)
  if (products.length === limit && last !== undefined) print(`More: --after ${last.id}`)
}

function pricesText({ price, currency, prices }: StoredProduct): string {
  return [[currency, price] as const, ...Object.entries(prices)]
    .map(([code, amount]) => moneyText(amount, code))
    .join(', ')
}

async function show({ db }: Opened, [given]: string[]): Promise<void> {
  const found = await productOf(db, given)
  const { reserved } = found
  printJson({ ...asObject(found), reserved, trail: await readProductTrail(db.pool, found.id) })
}

/** `set ID price=21.00 price_CHF=19.50 name="Mug"`: the columns of a file. */
async function set(opened: Opened, args: string[]): Promise<void> {
  const { values, positionals } = parseArgs({ args, options: { reason: { type: 'string' } }, allowPositionals: true })
  const [given, ...pairs] = positionals
  const found = await productOf(opened.db, given)
  if (pairs.length === 0)
    throw new UsageError('product set takes what to change: price=21.00 name="Mug" price_CHF=19.50')
  const cells = new Map(pairs.map(cellOf))
  await edit(opened, [found], cells, await why(values.reason))
}

function cellOf(pair: string): [string, Cell] {
  const [, column = '', text = ''] = /^([^=]+)=(.*)$/s.exec(pair) ?? []
  if (column === '') throw new UsageError(`"${pair}" is not COLUMN=VALUE, such as price=21.00`)
  const read = columnOf(column)
  if ('problem' in read) throw new UsageError(`${pair}: ${read.problem}`)
  if (read.field === 'id') throw new UsageError('An id stays: orders know the product by it.')
  return [read.field, { column, text }]
}

async function stock(opened: Opened, args: string[]): Promise<void> {
  const options = { set: { type: 'string' }, add: { type: 'string' }, reason: { type: 'string' } } as const
  const { values, positionals } = parseArgs({ args: withNegative(args), options, allowPositionals: true })
  const found = await productOf(opened.db, positionals[0])
  if ((values.set === undefined) === (values.add === undefined))
    throw new UsageError('product stock takes --set NUMBER or --add NUMBER (which may be below zero).')
  const cell: [string, Cell] =
    values.set === undefined
      ? [ADDED_STOCK, { column: '--add', text: values.add ?? '' }]
      : ['stock', { column: '--set', text: values.set }]
  await edit(opened, [found], new Map([cell]), await why(values.reason))
}

/** parseArgs takes a value that begins with a dash only after "=". */
function withNegative(args: string[]): string[] {
  const at = args.indexOf('--add')
  return at === -1 ? args : [...args.slice(0, at), `--add=${args[at + 1] ?? ''}`, ...args.slice(at + 2)]
}

async function deactivate(opened: Opened, args: string[]): Promise<void> {
  const { values, positionals } = parseArgs({ args, options: { reason: { type: 'string' } }, allowPositionals: true })
  if (positionals.length === 0) throw new UsageError('product deactivate takes ids or slugs.')
  const found: StoredProduct[] = []
  for (const given of positionals) found.push(await productOf(opened.db, given))
  await edit(opened, found, new Map([['active', { column: 'active', text: 'false' }]]), await why(values.reason))
}

async function edit(
  opened: Opened,
  products: StoredProduct[],
  cells: Map<string, Cell>,
  reason: string | undefined
): Promise<void> {
  const changes = await editProducts(opened, products, cells, { operator: operator(), reason })
  for (const each of changes) print(describeChange(each))
  if (changes.length < products.length)
    print(products.length === 1 ? 'It is so already.' : 'The others are so already.')
}

async function productOf(db: Opened['db'], given: string | undefined): Promise<StoredProduct> {
  const idOrSlug = required(given, 'The product’s id or slug')
  const found = await findProduct(db.pool, idOrSlug)
  if (found === undefined) throw new Refused('product_not_found', `There is no product ${idOrSlug}.`)
  return found
}
