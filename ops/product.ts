import type { Command } from 'commander'
import { columnOf } from '../shared/catalogue/columns.js'
import { editProducts } from '../shared/catalogue/edit-products.js'
import { asObject } from '../shared/catalogue/export-products.js'
import { ADDED_STOCK, type Cell } from '../shared/catalogue/given-product.js'
import { Refused } from '../shared/refused.js'
import type { StoredProduct } from '../shared/rules/catalogue-product.js'
import type { Services } from '../shared/runtime/services.js'
import { findProduct, listProducts, readProductTrail } from '../shared/statements/catalogue.js'
import { rows } from './arguments.js'
import { command, group, type Output } from './command.js'
import { operator, why, withDatabase } from './environment.js'
import { answer, print } from './print.js'
import { describeChange } from './product-changes.js'
import { exportFile, importFile } from './product-files.js'
import { viewProduct, viewProducts } from './product-view.js'
import { UsageError } from './usage-error.js'

const REASON = 'why, for the audit trail; asked for at a terminal'
const PRODUCT = 'its id or slug'

interface Edit extends Output {
  reason?: string
}

export function product(): Command {
  return group('product', 'The catalogue.', [list(), show(), set(), stock(), deactivate(), importFile(), exportFile()])
}

function list(): Command {
  return command('list', 'Products with their prices and stock.', { examples: ['product list --search mug'] })
    .option('--search <text>', 'in id, slug and name')
    .option('--inactive', 'those that are sold no more', false)
    .option('--after <id>', 'from the next one on', '')
    .option('--limit <rows>', 'how many', rows, 50)
    .action(async (options: Output & { search?: string; inactive: boolean; after: string; limit: number }) => {
      const { search, after, limit } = options
      await withDatabase('product list', async ({ db }) => {
        const found = await listProducts(db.pool, { search, after, limit, active: !options.inactive })
        const listed = found.map(each => ({ ...asObject(each), reserved: each.reserved }))
        answer(options, listed, () => viewProducts(found, limit))
      })
    })
}

function show(): Command {
  return command('show', 'A product with every change of it.', { examples: ['product show stoneware-mug'] })
    .argument('<product>', PRODUCT)
    .action(async (given: string, options: Output) => {
      await withDatabase('product show', async ({ db }) => {
        const found = await productOf(db, given)
        const trail = await readProductTrail(db.pool, found.id)
        answer(options, { ...asObject(found), reserved: found.reserved, trail }, () => viewProduct(found, trail))
      })
    })
}

function set(): Command {
  return command('set', 'Change a product, by the columns of a file.', {
    examples: ['product set stoneware-mug price=21.00 price_CHF=19.50 name="Mug" active=true']
  })
    .argument('<product>', PRODUCT)
    .argument('<columns...>', 'what to change: COLUMN=VALUE')
    .option('--reason <text>', REASON)
    .action(async (given: string, pairs: string[], options: Edit) => {
      const cells = new Map(pairs.map(cellOf))
      await withDatabase(
        'product set',
        async opened => await edit(opened, [await productOf(opened.db, given)], cells, options)
      )
    })
}

function cellOf(pair: string): [string, Cell] {
  const [, column = '', text = ''] = /^([^=]+)=(.*)$/s.exec(pair) ?? []
  if (column === '') throw new UsageError(`"${pair}" is not COLUMN=VALUE, such as price=21.00`)
  const read = columnOf(column)
  if ('problem' in read) throw new UsageError(`${pair}: ${read.problem}`)
  if (read.field === 'id') throw new UsageError('An id stays: orders know the product by it.')
  return [read.field, { column, text }]
}

function stock(): Command {
  const what = 'What stands on the shelf, reserved or not; never below what open checkouts have reserved.'
  return command('stock', what, { examples: ['product stock stoneware-mug --add 12', 'product stock mug --set 40'] })
    .argument('<product>', PRODUCT)
    .option('--set <number>', 'how many there are')
    .option('--add <number>', 'how many more there are, or fewer: -2')
    .option('--reason <text>', REASON)
    .action(async (given: string, options: Edit & { set?: string; add?: string }) => {
      const cells = stockCells(options)
      await withDatabase(
        'product stock',
        async opened => await edit(opened, [await productOf(opened.db, given)], cells, options)
      )
    })
}

function stockCells({ set, add }: { set?: string; add?: string }): Map<string, Cell> {
  if (set !== undefined && add === undefined) return new Map([['stock', { column: '--set', text: set }]])
  if (add !== undefined && set === undefined) return new Map([[ADDED_STOCK, { column: '--add', text: add }]])
  throw new UsageError('product stock takes --set NUMBER or --add NUMBER (which may be below zero).')
}

function deactivate(): Command {
  return command('deactivate', 'Sell it no more; orders and open checkouts keep it.', {
    examples: ['product deactivate stoneware-mug desk-lamp']
  })
    .argument('<products...>', 'their ids or slugs')
    .option('--reason <text>', REASON)
    .action(async (given: string[], options: Edit) => {
      await withDatabase('product deactivate', async opened => {
        const found: StoredProduct[] = []
        for (const each of given) found.push(await productOf(opened.db, each))
        await edit(opened, found, new Map([['active', { column: 'active', text: 'false' }]]), options)
      })
    })
}

async function edit(
  opened: Pick<Services<'catalogue' | 'payment'>, 'config' | 'db' | 'now'>,
  products: StoredProduct[],
  cells: Map<string, Cell>,
  options: Edit
): Promise<void> {
  const by = { operator: operator(), reason: await why(options.reason) }
  answer(options, await editProducts(opened, products, cells, by), changes => {
    for (const each of changes) print(describeChange(each))
    if (changes.length < products.length)
      print(products.length === 1 ? 'It is so already.' : 'The others are so already.')
  })
}

async function productOf(db: Services['db'], idOrSlug: string): Promise<StoredProduct> {
  const found = await findProduct(db.pool, idOrSlug)
  if (found === undefined) throw new Refused('product_not_found', `There is no product ${idOrSlug}.`)
  return found
}
