import express, { type Request, type Response, Router } from 'express'
import { asObject } from '../../../shared/catalogue/export-products.js'
import type { GivenCatalogue } from '../../../shared/catalogue/given-product.js'
import { CatalogueRefused, importProducts, sentenceOf } from '../../../shared/catalogue/import-products.js'
import { readProductObject } from '../../../shared/catalogue/json-lines-file.js'
import { formatOf, readProductFile } from '../../../shared/catalogue/product-file.js'
import { Refused } from '../../../shared/refused.js'
import type { StoredProduct } from '../../../shared/rules/catalogue-product.js'
import { operatorOf } from '../../../shared/runtime/operator-access.js'
import type { Services } from '../../../shared/runtime/services.js'
import { findProduct, listProducts } from '../../../shared/statements/catalogue.js'
import { requestId } from '../../request-context.js'
import { why } from '../acts/act.js'
import { etagOf } from '../product-etag.js'
import { subjectOf } from '../subject.js'
import { formBody, onlyOperators, textsOf } from './act-pages.js'
import { frameOf, redirect, sendPage } from './answer.js'
import { ImportPage } from './import-page.js'
import { ProductPage } from './product-page.js'
import { ProductsPage } from './products-page.js'
import { refusalOf } from './refusal.js'

const PAGE = 50
const MAX_FILE = 64 * 1024 * 1024
const MAX_SHOWN = 50
const file = express.raw({ type: () => true, limit: MAX_FILE })

/** The catalogue for people: search, a price, a stock, a file. */
export function productPages(services: Services): Router {
  const { db } = services
  const router = Router()

  router.get('/ops/products', async (request, response) => {
    const { q = '', after = '' } = textsOf(request.query)
    const search = q.trim() === '' ? undefined : q.trim().slice(0, 100).toWellFormed().replaceAll('\0', '')
    const found = await listProducts(db.pool, { search, after: after.replaceAll('\0', ''), limit: PAGE })
    const next = found.length === PAGE ? found.at(-1)?.id : undefined
    sendPage(response, <ProductsPage frame={frameOf(request, response, services)} q={q} products={found} next={next} />)
  })

  router.get('/ops/products/import', onlyOperators, (request, response) =>
    sendPage(response, <ImportPage frame={frameOf(request, response, services)} lines={[]} refusals={[]} />)
  )

  router.post('/ops/products/import', onlyOperators, file, async (request, response) => {
    const frame = frameOf(request, response, services)
    const answered = await readUpload(services, request, response).catch(error => {
      const sentences = error instanceof CatalogueRefused ? problemsOf(error) : refusalOf(error)?.sentences
      if (sentences === undefined) throw error
      return { lines: [], refusals: sentences }
    })
    const status = answered.refusals.length > 0 ? 422 : 200
    sendPage(response, <ImportPage frame={frame} {...answered} />, status)
  })

  router.get('/ops/products/:id', async (request, response) => {
    const product = await productOf(services, request)
    const values = fieldsOf(product)
    sendPage(
      response,
      <ProductPage frame={frameOf(request, response, services)} product={product} values={values} refusals={[]} />
    )
  })

  router.post('/ops/products/:id', onlyOperators, formBody, async (request, response) => {
    const product = await productOf(services, request)
    const values = textsOf(request.body)
    try {
      await changeProduct(services, request, response, product, values)
    } catch (error) {
      const refusal = refusalOf(error)
      if (refusal === undefined) throw error
      const frame = frameOf(request, response, services)
      const sentences = error instanceof CatalogueRefused ? problemsOf(error) : refusal.sentences
      const page = <ProductPage frame={frame} product={product} values={values} refusals={sentences} />
      return sendPage(response, page, refusal.status)
    }
    redirect(services, response, `/ops/products/${product.id}`)
  })
  return router
}

function problemsOf({ problems }: CatalogueRefused): string[] {
  return problems.slice(0, MAX_SHOWN).map(sentenceOf)
}

/** What the form of a product says of it, and of which state it was made. */
function fieldsOf(product: StoredProduct): Record<string, string> {
  const { price, prices = {}, stock, active } = asObject(product)
  const others = Object.entries(prices as Record<string, unknown>)
  return {
    price: String(price),
    ...Object.fromEntries(others.map(([code, amount]) => [`price.${code}`, String(amount)])),
    stock: String(stock),
    active: active === true ? 'on' : '',
    version: etagOf(product)
  }
}

async function productOf({ db }: Services, request: Request): Promise<StoredProduct> {
  const id = subjectOf(request)
  const found = await findProduct(db.pool, id)
  if (found?.id !== id) throw new Refused('product_not_found', `There is no product ${id}.`)
  return found
}

/** Writes what the form has changed, unless somebody else has changed the product since it was made. */
async function changeProduct(
  services: Services,
  request: Request,
  response: Response,
  { id, trackStock, prices }: StoredProduct,
  values: Record<string, string>
): Promise<void> {
  const wanted = {
    id,
    price: (values.price ?? '').trim(),
    prices: Object.fromEntries(Object.keys(prices).map(code => [code, (values[`price.${code}`] ?? '').trim()])),
    active: values.active === 'on',
    ...(trackStock ? { stock: (values.stock ?? '').trim() } : {})
  }
  const { product, problems } = readProductObject(wanted, 0)
  await importProducts(
    services,
    { products: product === undefined ? [] : [product], problems },
    {
      operator: operatorOf(response).name,
      requestId: requestId(request),
      reason: reasonOf(values),
      precondition([stored]) {
        if (stored !== undefined && etagOf(stored) === values.version) return
        throw new Refused('changed_meanwhile', 'Somebody has changed the product meanwhile. Look at it again.')
      }
    }
  )
}

function reasonOf({ reason = '' }: Record<string, string>): string {
  const read = why.safeParse(reason)
  if (!read.success) throw new Refused('invalid_input', read.error.issues[0]?.message ?? 'Say why.')
  return reason
}

/** What a form with a file has posted (multipart/form-data, RFC 7578), done or, as a trial, only told. */
async function readUpload(services: Services, request: Request, response: Response) {
  const type = request.get('content-type') ?? ''
  const form = await new globalThis.Response(request.body, { headers: { 'content-type': type } })
    .formData()
    .catch(() => {
      throw new Refused('unreadable_file', 'The form could not be read.')
    })
  const uploaded = form.get('file')
  if (typeof uploaded === 'string' || uploaded === null || uploaded.size === 0)
    throw new Refused('unclear_input', 'Choose a file: CSV or JSON Lines.')
  const bytes = Buffer.from(await uploaded.arrayBuffer())
  const given: GivenCatalogue = readProductFile(bytes, formatOf(uploaded.name, bytes))
  const dryRun = form.get('dryRun') !== null
  const { changes, unchanged } = await importProducts(services, given, {
    operator: operatorOf(response).name,
    requestId: requestId(request),
    reason: reasonOf({ reason: String(form.get('reason') ?? '') }),
    dryRun,
    deactivateMissing: form.get('deactivateMissing') !== null
  })
  const created = changes.filter(({ before }) => before === null).length
  const counts = `${created} new, ${changes.length - created} changed, ${unchanged} as they were.`
  return {
    lines: [counts, dryRun ? 'Nothing was written: this is what would change.' : 'It is done.'],
    refusals: []
  }
}
