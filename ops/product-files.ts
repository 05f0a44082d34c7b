import { readFileSync, writeFileSync } from 'node:fs'
import { buffer } from 'node:stream/consumers'
import { type Command, Option } from 'commander'
import { exportProducts } from '../shared/catalogue/export-products.js'
import type { GivenCatalogue } from '../shared/catalogue/given-product.js'
import { importProducts } from '../shared/catalogue/import-products.js'
import { type FileFormat, fileFormats, formatOf, readProductFile } from '../shared/catalogue/product-file.js'
import { readStripeProducts } from '../shared/catalogue/stripe-products.js'
import { messageOf } from '../shared/errors.js'
import { Refused } from '../shared/refused.js'
import type { Services } from '../shared/runtime/services.js'
import { furtherCurrencies } from '../shared/statements/catalogue.js'
import { command, type Output, plainCommand } from './command.js'
import { operator, why, withDatabase, withStripe } from './environment.js'
import { printed, printJson } from './print.js'
import { viewChanges } from './product-changes.js'
import { bar, showProgress } from './progress.js'
import { terminal } from './terminal.js'
import { UsageError } from './usage-error.js'

type Opened = Pick<Services<'catalogue' | 'payment'>, 'config' | 'db' | 'now'>

interface Import extends Output {
  from?: string
  format?: FileFormat
  reason?: string
  dryRun: boolean
  deactivateMissing: boolean
}

function format(): Option {
  return new Option('--format <format>', 'of the file, when its name does not say').choices(fileFormats)
}

export function importFile(): Command {
  const what =
    'Bring the catalogue to what a file (or the Stripe account) says, all of it or nothing (docs/catalogue.md).'
  return command('import', what, {
    examples: [
      'product import products.csv --dry-run',
      'product import products.csv --reason "spring"',
      'product import --from stripe --dry-run'
    ]
  })
    .argument('[file]', 'CSV or JSON Lines; - for the standard input')
    .addOption(new Option('--from <source>', 'instead of a file').choices(['stripe']))
    .addOption(format())
    .option('--dry-run', 'only say what would change', false)
    .option('--deactivate-missing', 'what the file does not name is sold no more', false)
    .option('--reason <text>', 'why, for the audit trail; asked for at a terminal')
    .action(async (name: string | undefined, options: Import) => {
      if ((name === undefined) === (options.from === undefined))
        throw new UsageError('product import takes one FILE, - or --from stripe.')
      if (name === undefined) {
        return await withStripe('product import --from stripe', async opened => {
          await bring(opened, await readStripe(opened), options)
        })
      }
      await withDatabase('product import', async opened => {
        await bring(opened, await readGiven(name, options.format), options, name === '-')
      })
    })
}

/** `isPiped`: nobody can be asked for the reason. */
async function bring(opened: Opened, given: GivenCatalogue, options: Import, isPiped = false): Promise<void> {
  const { dryRun, deactivateMissing } = options
  const reason = dryRun || isPiped ? options.reason : await why(options.reason)
  const progress = showProgress()
  const done = await importProducts(opened, given, {
    operator: operator(),
    reason,
    dryRun,
    deactivateMissing,
    onProgress: (ready, all) => progress.show(bar(ready, all, 'products'))
  }).finally(progress.clear)
  if (options.json) printJson({ ...done, dryRun })
  else await viewChanges(done, dryRun)
}

async function readGiven(name: string, given: FileFormat | undefined): Promise<GivenCatalogue> {
  const file = name === '-' ? await buffer(terminal().stdin) : readGivenFile(name)
  return readProductFile(file, given ?? formatOf(name, file))
}

function readGivenFile(name: string): Buffer {
  try {
    return readFileSync(name)
  } catch (error) {
    throw new Refused('unreadable_file', `${name} cannot be read: ${messageOf(error)}`)
  }
}

async function readStripe({ config, stripe }: Opened & Pick<Services, 'stripe'>): Promise<GivenCatalogue> {
  const rules = { shopCurrency: config.payment.currency, idFormat: config.catalogue.productIdFormat }
  const { products, notes } = await readStripeProducts(stripe, rules)
  for (const note of notes) terminal().stderr.write(`${note}\n`)
  return { products, problems: [] }
}

export function exportFile(): Command {
  return plainCommand('export', 'All products in a file that import takes back.', {
    examples: ['product export products.csv', 'product export --format jsonl | head']
  })
    .argument('[file]', 'where to write it; the standard output when left out, or -', '-')
    .addOption(format())
    .addOption(new Option('--json', 'the same as --format jsonl').conflicts('format'))
    .action(async (name: string, options: Output & { format?: FileFormat }) => {
      const wanted = options.json ? 'jsonl' : (options.format ?? formatOf(name, Buffer.alloc(0)))
      await withDatabase('product export', async ({ db }) => {
        const pieces = exportProducts(db.pool, wanted, await furtherCurrencies(db.pool))
        if (name === '-') await writeOut(pieces)
        else await writeWhole(name, pieces)
      })
    })
}

async function writeOut(pieces: AsyncIterable<string>): Promise<void> {
  for await (const piece of pieces) {
    terminal().stdout.write(piece)
    await printed()
  }
}

/** Whole or not at all, so that an export that fails is not taken for a catalogue. */
async function writeWhole(name: string, pieces: AsyncIterable<string>): Promise<void> {
  const whole: string[] = []
  const progress = showProgress()
  try {
    for await (const piece of pieces) {
      whole.push(piece)
      progress.show(`${whole.length} pieces are read`)
    }
  } finally {
    progress.clear()
  }
  writeFileSync(name, whole.join(''))
  terminal().stderr.write(`Wrote ${name}.\n`)
}
