import express, { type Request, type Response, Router } from 'express'
import { z } from 'zod'
import { asObject } from '../../shared/catalogue/export-products.js'
import type { GivenCatalogue } from '../../shared/catalogue/given-product.js'
import {
  CatalogueRefused,
  type ImportOptions,
  importProducts,
  sentenceOf
} from '../../shared/catalogue/import-products.js'
import { readProductObject } from '../../shared/catalogue/json-lines-file.js'
import { readProductFile } from '../../shared/catalogue/product-file.js'
import { Problem } from '../../shared/errors.js'
import type { StoredProduct } from '../../shared/rules/catalogue-product.js'
import { readProductId } from '../../shared/rules/product-id.js'
import { isText } from '../../shared/rules/product-values.js'
import { operatorOf } from '../../shared/runtime/operator-access.js'
import type { Services } from '../../shared/runtime/services.js'
import { findProduct } from '../../shared/statements/catalogue.js'
import { jsonBytes, readJson } from '../json-body.js'
import { once, readQuery } from '../query.js'
import { requestId } from '../request-context.js'
import { etagOf } from './product-etag.js'

const PATH = '/ops/api/products'
const MAX_FILE = 64 * 1024 * 1024
const MAX_PROBLEMS = 50

const fields = z.record(z.string(), z.unknown())
const file = express.raw({ type: () => true, limit: MAX_FILE })

const flag = z
  .enum(['true', 'false'], 'Must be true or false')
  .default('false')
  .transform(value => value === 'true')
/** Whatever else is said is refused: `?dryRun=1` is meant as a look, too. */
const fileQuery = z.strictObject({ 'dry-run': flag, 'deactivate-missing': flag, reason: once().optional() })

/** What a product without a word about it is: PUT says all of it. */
const UNSAID = { description: null, image: null, trackStock: true, backorderLimit: 0, active: true }

/** Products for a shop that pushes them from its own admin: docs/catalogue.md#over-http */
export function productRoutes(services: Services): Router {
  const { db } = services
  const router = Router()

  router.get(`${PATH}/:id`, async (request, response) => {
    answer(response, await readProduct(services, idOf(services, request)))
  })

  router.patch(`${PATH}/:id`, jsonBytes, async (request, response) => {
    const id = idOf(services, request)
    await readProduct(services, id)
    await write(services, request, response, id, readJson(request, fields))
  })

  router.put(`${PATH}/:id`, jsonBytes, async (request, response) => {
    const id = idOf(services, request)
    const given: Record<string, unknown> = { ...UNSAID, ...readJson(request, fields) }
    const before = await findProduct(db.pool, id)
    const said = given.prices ?? {}
    if (typeof said === 'object' && !Array.isArray(said)) {
      const unsaid = before?.id === id ? Object.keys(before.prices).map(currency => [currency, null]) : []
      given.prices = { ...Object.fromEntries(unsaid), ...said }
    }
    await write(services, request, response, id, given)
  })

  router.post(PATH, file, async (request, response) => {
    if (!request.is(['application/jsonl', 'application/x-ndjson', 'application/x-jsonlines']))
      throw new Problem('unsupported_media_type', {
        detail: 'Send JSON Lines with Content-Type: application/x-ndjson.'
      })
    const { 'dry-run': dryRun, 'deactivate-missing': deactivateMissing, reason } = readQuery(request, fileQuery)
    const given = readProductFile(Buffer.isBuffer(request.body) ? request.body : Buffer.alloc(0), 'jsonl')
    const { changes, unchanged } = await change(services, request, response, given, {
      dryRun,
      deactivateMissing,
      ...(reason === undefined ? {} : { reason })
    })
    const created = changes.filter(({ before }) => before === null).length
    response.setHeader('Cache-Control', 'no-store')
    response.json({
      success: true,
      data: { created, changed: changes.length - created, unchanged, dryRun }
    })
  })

  return router
}

/** One product by its id in the path, if it is still what the request says it was. */
async function write(
  services: Services,
  request: Request,
  response: Response,
  id: string,
  given: Record<string, unknown>
): Promise<void> {
  const wanted = Object.fromEntries(Object.entries(given).filter(([name]) => name !== 'reserved'))
  if (wanted.id !== undefined && wanted.id !== id)
    throw new Problem('invalid_request', { detail: 'The id of the body is not that of the path: an id stays.' })
  const { product, problems } = readProductObject({ ...wanted, id }, 0)
  const catalogue = { products: product === undefined ? [] : [product], problems }
  const precondition = (stored: StoredProduct[]) =>
    refuseChanged(
      request,
      stored.find(each => each.id === id)
    )
  const { changes } = await change(services, request, response, catalogue, { precondition })
  response.status(changes[0]?.before === null ? 201 : 200)
  answer(response, await readProduct(services, id))
}

/** RFC 9110, section 13.1: a writer says which state it has seen, so that none overwrites what another has written. */
function refuseChanged(request: Request, stored: StoredProduct | undefined): void {
  const match = request.get('if-match')
  const noneMatch = request.get('if-none-match')
  if (match === undefined && noneMatch !== '*') {
    const detail = 'Send If-Match with the ETag of the product as you know it, or If-None-Match: * for a new one.'
    throw new Problem('precondition_required', { detail })
  }
  const current = stored && etagOf(stored)
  const isMet =
    match === undefined
      ? stored === undefined
      : current !== undefined && (match.trim() === '*' || match.split(',').some(tag => tag.trim() === current))
  if (!isMet) {
    const detail = stored === undefined ? 'There is no such product.' : 'The product is another by now: read it again.'
    throw new Problem('precondition_failed', { detail }, current === undefined ? {} : { ETag: current })
  }
}

async function change(
  services: Services,
  request: Request,
  response: Response,
  given: GivenCatalogue,
  options: Partial<ImportOptions>
) {
  const who = { operator: operatorOf(response).name, requestId: requestId(request) }
  return await importProducts(services, given, { ...who, ...options }).catch(error => {
    if (!(error instanceof CatalogueRefused)) throw error
    const shown = error.problems.slice(0, MAX_PROBLEMS)
    const place = (line: number, column: string | null) => (line > 0 ? `${line}.${column ?? ''}` : (column ?? 'body'))
    throw new Problem('catalogue_refused', {
      detail: sentenceOf(error.problems[0] ?? { line: 0, column: null, message: 'nothing was changed' }),
      errors: Object.fromEntries(shown.map(({ line, column, message }) => [place(line, column), message]))
    })
  })
}

async function readProduct({ db }: Services, id: string): Promise<StoredProduct> {
  const found = await findProduct(db.pool, id)
  if (found?.id !== id) throw new Problem('not_found', { detail: `There is no product ${id.slice(0, 64)}.` })
  return found
}

function idOf({ config }: Services, request: Request): string {
  const text = String(request.params.id)
  if (!isText(text)) throw new Problem('not_found', { detail: 'No product has such an id.' })
  return readProductId(text, config.catalogue.productIdFormat) ?? text
}

function answer(response: Response, product: StoredProduct): void {
  response.setHeader('ETag', etagOf(product))
  response.setHeader('Cache-Control', 'no-store')
  response.json({ success: true, data: { ...asObject(product), reserved: product.reserved } })
}
