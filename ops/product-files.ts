import { readFileSync, writeFileSync } from 'node:fs'
import { buffer } from 'node:stream/consumers'
import { parseArgs } from 'node:util'
import { exportProducts } from '../shared/catalogue/export-products.js'
import type { GivenCatalogue } from '../shared/catalogue/given-product.js'
import { type ImportOptions, importProducts } from '../shared/catalogue/import-products.js'
import { type FileFormat, fileFormats, formatOf, readProductFile } from '../shared/catalogue/product-file.js'
import { readStripeProducts } from '../shared/catalogue/stripe-products.js'
import { messageOf } from '../shared/errors.js'
import { Refused } from '../shared/refused.js'
import type { Services } from '../shared/runtime/services.js'
import { createStripe } from '../shared/runtime/stripe-client.js'
import { furtherCurrencies } from '../shared/statements/catalogue.js'
import { operator, why } from './environment.js'
import { print, printed } from './print.js'
import { changesOf, describeChange } from './product-changes.js'
import { progressBar } from './progress-bar.js'
import { UsageError } from './usage-error.js'

type Opened = Pick<Services, 'config' | 'db' | 'now'>

export async function importFile(opened: Opened, args: string[]): Promise<void> {
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

export async function exportFile({ db }: Opened, args: string[]): Promise<void> {
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
