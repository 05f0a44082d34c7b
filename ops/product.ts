import { readFileSync, writeFileSync } from 'node:fs'
import { buffer } from 'node:stream/consumers'
import { parseArgs } from 'node:util'
import { columnOf } from '../shared/catalogue/columns.js'
import { asObject, exportProducts } from '../shared/catalogue/export-products.js'
import { ADDED_STOCK, type Cell, type GivenCatalogue } from '../shared/catalogue/given-product.js'
import { type ImportOptions, importProducts } from '../shared/catalogue/import-products.js'
import { type FileFormat, fileFormats, formatOf, readProductFile } from '../shared/catalogue/product-file.js'
import { readStripeProducts } from '../shared/catalogue/stripe-products.js'
import { messageOf } from '../shared/errors.js'
import { Refused } from '../shared/refused.js'
import type { StoredProduct } from '../shared/rules/catalogue-product.js'
import type { Services } from '../shared/runtime/services.js'
import { createStripe } from '../shared/runtime/stripe-client.js'
import { findProduct, furtherCurrencies, listProducts, readProductTrail } from '../shared/statements/catalogue.js'
import { operator, why, withDatabase } from './environment.js'
import { print, printed, printJson, printTable } from './print.js'
import { changesOf, describeChange, moneyText } from './product-changes.js'
import { progressBar } from './progress-bar.js'
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
  await change(opened, [found], cells, await why(values.reason))
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
  await change(opened, [found], new Map([cell]), await why(values.reason))
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
  await change(opened, found, new Map([['active', { column: 'active', text: 'false' }]]), await why(values.reason))
}

async function change(
  opened: Opened,
  products: StoredProduct[],
  cells: Map<string, Cell>,
  reason: string | undefined
): Promise<void> {
  const given: GivenCatalogue = {
    products: products.map(({ id }) => ({ line: 0, cells: new Map([['id', { column: 'id', text: id }], ...cells]) })),
    problems: []
  }
  const { changes } = await importProducts(opened, given, { operator: operator(), reason })
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

async function importFile(opened: Opened, args: string[]): Promise<void> {
  const { values, positionals } = parseArgs({
    args,
    options: {
      from: { type: 'string' },
      format: { type: 'string' },
      reason: { type: 'string' },
      'dry-run': { type: 'boolean', default: false },
      'deactivate-missing': { type: 'boolean', default: false }
    },
    allowPositionals: true
  })
  const dryRun = values['dry-run']
  const format = values.format === undefined ? undefined : formatArgument(values.format)
  const given = await readGiven(opened, positionals, values.from, format)
  const reason = dryRun || positionals[0] === '-' ? values.reason : await why(values.reason)
  const bar = progressBar('products')
  const options: ImportOptions = {
    operator: operator(),
    reason,
    dryRun,
    deactivateMissing: values['deactivate-missing'],
    onProgress: bar.show
  }
  const done = await importProducts(opened, given, options).finally(bar.clear)
  if (dryRun)
    for (const each of done.changes) {
      print(describeChange(each))
      await printed()
    }
  print(changesOf(done))
  if (dryRun) print('Nothing was written: this is what would change.')
}

async function readGiven(
  opened: Opened,
  [name, ...others]: string[],
  from: string | undefined,
  format: FileFormat | undefined
): Promise<GivenCatalogue> {
  if (from !== undefined) {
    if (from !== 'stripe' || name !== undefined) throw new UsageError('product import takes FILE, - or --from stripe.')
    return await readStripe(opened)
  }
  if (name === undefined || others.length > 0)
    throw new UsageError('product import takes one FILE, - or --from stripe.')
  const file = name === '-' ? await buffer(process.stdin) : readGivenFile(name)
  return readProductFile(file, format ?? formatOf(name, file))
}

function readGivenFile(name: string): Buffer {
  try {
    return readFileSync(name)
  } catch (error) {
    throw new Refused('unreadable_file', `${name} cannot be read: ${messageOf(error)}`)
  }
}

async function readStripe({ config }: Opened): Promise<GivenCatalogue> {
  const rules = { shopCurrency: config.payment.currency, idFormat: config.catalogue.productIdFormat }
  const { products, notes } = await readStripeProducts(createStripe(config), rules)
  for (const note of notes) process.stderr.write(`${note}\n`)
  return { products, problems: [] }
}

async function exportFile({ db }: Opened, args: string[]): Promise<void> {
  const { values, positionals } = parseArgs({ args, options: { format: { type: 'string' } }, allowPositionals: true })
  const [name] = positionals
  const format = values.format === undefined ? formatOf(name ?? '', Buffer.alloc(0)) : formatArgument(values.format)
  const pieces = exportProducts(db.pool, format, await furtherCurrencies(db.pool))
  if (name === undefined || name === '-') {
    for await (const piece of pieces) {
      process.stdout.write(piece)
      await printed()
    }
    return
  }
  // Whole or not at all, so that an export that fails is not taken for a catalogue.
  const whole: string[] = []
  for await (const piece of pieces) whole.push(piece)
  writeFileSync(name, whole.join(''))
  process.stderr.write(`Wrote ${name}.\n`)
}

function formatArgument(text: string): FileFormat {
  const format = fileFormats.find(each => each === text)
  if (format === undefined) throw new UsageError(`--format takes ${fileFormats.join(' or ')}.`)
  return format
}
