import type { AuditEntry } from '../audit/audit.js'
import { type Client, transaction } from '../database/database.js'
import { MINUTE } from '../duration.js'
import { Refused } from '../refused.js'
import type { StoredProduct } from '../rules/catalogue-product.js'
import { isText } from '../rules/product-values.js'
import type { Services } from '../runtime/services.js'
import {
  findProducts,
  freeSlugs,
  insertProducts,
  lockCatalogue,
  type Named,
  updateProducts
} from '../statements/catalogue.js'
import { type CatalogueChange, catalogueChange, type ProductChange } from './catalogue-change.js'
import type { CatalogueProblem, GivenCatalogue } from './given-product.js'
import { readWanted, type WantedProduct } from './wanted-product.js'

/** The file cannot be imported as it is; nothing was changed. */
export class CatalogueRefused extends Refused {
  constructor(readonly problems: CatalogueProblem[]) {
    super('catalogue_refused', textOf(problems))
  }
}

const MAX_SHOWN = 50
const MAX_PRODUCTS = 200_000
const BATCH = 1_000
const STATEMENT_TIMEOUT_MS = MINUTE

export interface ImportOptions {
  operator: string
  reason?: string
  /** Says what would change, and changes nothing. */
  dryRun?: boolean
  /** Deactivates all products that are not named: the file is the whole catalogue. */
  deactivateMissing?: boolean
  requestId?: string
  /** Looks at what is stored and locked before it changes; what it throws leaves all as it is. */
  precondition?(stored: StoredProduct[]): void
  onProgress?(done: number, total: number): void
}

/**
 * Brings the catalogue to what is given, all of it or nothing, and returns what changed. A CatalogueRefused lists everything
 * that is wrong. Products that stay as they are, are not written.
 */
export async function importProducts(
  services: Pick<Services<'catalogue' | 'payment'>, 'db' | 'config' | 'now'>,
  given: GivenCatalogue,
  options: ImportOptions
): Promise<CatalogueChange> {
  const { config, db } = services
  const problems = [...given.problems]
  const refuse = (problem: CatalogueProblem) => problems.push(problem)
  const wanted = given.products.map(product => readWanted(product, config.payment.currency, refuse))
  if (wanted.length > MAX_PRODUCTS)
    refuse({ line: 1, column: null, message: `more than ${MAX_PRODUCTS} products: cut the file` })
  if (options.deactivateMissing && wanted.length === 0 && problems.length === 0)
    refuse({ line: 1, column: null, message: 'there is no product in it: all would be deactivated' })
  const rules = {
    shopCurrency: config.payment.currency,
    idFormat: config.catalogue.productIdFormat,
    deactivateMissing: options.deactivateMissing === true
  }
  return await transaction(
    db.pool,
    async client => {
      if (!options.dryRun) await lockCatalogue(client)
      const stored = await findProducts(client, namedBy(wanted, rules.deactivateMissing), !options.dryRun)
      options.precondition?.(stored)
      const change = catalogueChange(wanted, stored, rules, refuse)
      if (problems.length > 0) throw new CatalogueRefused(problems)
      if (!options.dryRun) await write(client, change.changes, services.now(), options)
      return change
    },
    { statementTimeoutMs: STATEMENT_TIMEOUT_MS }
  )
}

function namedBy(wanted: WantedProduct[], active: boolean): Named {
  // As they are written, and as a UUID is kept; a new product without a slug is known by its id.
  const ids = wanted.flatMap(({ id }) => (id === undefined ? [] : [id, id.toLowerCase()]))
  const slugs = [...ids, ...wanted.flatMap(({ slug }) => slug ?? [])]
  // PostgreSQL would not look for the others; each is a problem of its line.
  return { ids: ids.filter(isText), slugs: slugs.filter(isText), active }
}

/** In the order of the ids, so that the chains of the trail are locked in one order. */
async function write(client: Client, changes: ProductChange[], now: Date, options: ImportOptions): Promise<void> {
  const sorted = [...changes].sort((a, b) => (a.product.id < b.product.id ? -1 : 1))
  const moved = sorted.filter(({ before }) => before?.slug !== undefined)
  if (moved.length > 0)
    await freeSlugs(
      client,
      moved.map(({ product }) => product.id)
    )
  const updated = sorted.filter(({ before }) => before !== null)
  const created = sorted.filter(({ before }) => before === null)
  let done = 0
  for (const [changed, statement] of [
    [updated, updateProducts],
    [created, insertProducts]
  ] as const) {
    for (let from = 0; from < changed.length; from += BATCH) {
      const batch = changed.slice(from, from + BATCH)
      await statement(
        client,
        batch.map(({ product }) => product),
        now,
        batch.map(change => auditOf(change, options))
      )
      done += batch.length
      options.onProgress?.(done, sorted.length)
    }
  }
}

/** `before` and `after` are JSON of the fields that differ, amounts in minor units; `after` has the id, by which the trail chains. */
function auditOf(
  { product, before, after }: ProductChange,
  { operator, reason, requestId }: ImportOptions
): AuditEntry {
  return {
    action: before === null ? 'product_created' : 'product_changed',
    status: 'SUCCESS',
    before: before && JSON.stringify(before),
    after: JSON.stringify({ id: product.id, ...after }),
    requestId,
    metadata: { operator, reason: reason ?? null }
  }
}

function textOf(problems: CatalogueProblem[]): string {
  const sorted = [...problems].sort((a, b) => a.line - b.line)
  const lines = sorted.slice(0, MAX_SHOWN).map(problem => `  ${sentenceOf(problem)}`)
  const rest = sorted.length > MAX_SHOWN ? [`  … and ${sorted.length - MAX_SHOWN} more`] : []
  return ['Nothing was changed:', ...lines, ...rest].join('\n')
}

/** Where it is wrong, and why. */
export function sentenceOf({ line, column, message }: CatalogueProblem): string {
  const place = [line > 0 ? `line ${line}` : '', column ?? ''].filter(part => part !== '').join(', ')
  return place === '' ? message : `${place}: ${message}`
}
