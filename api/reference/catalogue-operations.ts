import { z } from 'zod'
import { named } from './components.js'
import type { Operations, Parameter } from './operation.js'
import { currency, examples, success } from './values.js'

const decimal = () => z.string().meta({ pattern: '^\\d+(\\.\\d+)?$', description: 'In major units, as decimal text' })

const product = named(
  'CatalogueProduct',
  z.object({
    id: z.string(),
    slug: z.string(),
    name: z.string(),
    description: z.string().nullable(),
    image: z.string().nullable(),
    price: decimal(),
    currency: currency(),
    prices: z.record(z.string(), z.string()).meta({ description: 'In further currencies' }),
    stock: z.number().int(),
    trackStock: z.boolean(),
    backorderLimit: z.number().int(),
    active: z.boolean(),
    reserved: z.number().int().meta({ description: 'What open checkouts hold' })
  })
)

const fields = named(
  'ProductFields',
  z.record(z.string(), z.unknown()).meta({
    description: 'The fields of a CatalogueProduct; a price may be a number, too, and one of null is taken away.'
  })
)
const lines = named('ProductLines', z.string().meta({ description: 'One product as JSON a line' }))
const answer = named('CatalogueProductAnswer', success(product))
const imported = named(
  'ImportAnswer',
  success(
    z.object({
      created: z.number().int(),
      changed: z.number().int(),
      unchanged: z.number().int(),
      dryRun: z.boolean()
    })
  )
)

const example = {
  id: examples.productId,
  slug: 'stoneware-mug',
  name: 'Stoneware mug',
  description: 'Holds 300 ml',
  image: '/images/stoneware-mug.svg',
  price: '19.99',
  currency: 'EUR',
  prices: { CHF: '21.50' },
  stock: 40,
  trackStock: true,
  backorderLimit: 0,
  active: true,
  reserved: 0
}

const tag = 'Catalogue'
const byId: Record<string, Parameter> = {
  id: { description: 'The id of the product', schema: { type: 'string' }, example: examples.productId }
}
const ifMatch: Parameter = { description: 'The ETag of the product as it was read', schema: { type: 'string' } }
const shown = (description: string) => ({
  description,
  headers: ['ETag' as const, 'Cache-Control' as const],
  body: { schema: answer, example: { success: true, data: example } }
})

export const catalogueOperations: Operations = {
  'GET /ops/api/products/:id': {
    id: 'readCatalogueProduct',
    tag,
    summary: 'A product with what is reserved of it',
    access: 'catalogue',
    path: byId,
    answers: { 200: shown('The product') },
    problems: ['not_found']
  },
  'PATCH /ops/api/products/:id': {
    id: 'changeCatalogueProduct',
    tag,
    summary: 'Changes the fields that are sent',
    access: 'catalogue',
    path: byId,
    headers: { 'If-Match': { ...ifMatch, required: true } },
    body: { schema: fields, example: { price: '21.00' } },
    answers: { 200: shown('As it is now') },
    problems: ['not_found', 'catalogue_refused', 'precondition_failed', 'precondition_required']
  },
  'PUT /ops/api/products/:id': {
    id: 'putCatalogueProduct',
    tag,
    summary: 'The whole product',
    description: 'What is not sent is cleared, or what it is by default.',
    access: 'catalogue',
    path: byId,
    headers: {
      'If-Match': ifMatch,
      'If-None-Match': { description: '`*` for a new one', schema: { type: 'string' }, example: '*' }
    },
    body: {
      schema: fields,
      example: { slug: 'stoneware-mug', name: 'Stoneware mug', price: '19.99', currency: 'EUR', stock: 40 }
    },
    answers: { 200: shown('As it is now'), 201: shown('A new one') },
    problems: ['catalogue_refused', 'precondition_failed', 'precondition_required']
  },
  'POST /ops/api/products': {
    id: 'importProducts',
    tag,
    summary: 'Products as JSON Lines, all of them or none',
    access: 'catalogue',
    query: {
      'dry-run': { description: '`true`: only say what would change', schema: { type: 'string' }, example: 'true' },
      'deactivate-missing': {
        description: '`true`: products that are not sent are no longer sold',
        schema: { type: 'string' },
        example: 'true'
      },
      reason: { description: 'For the audit trail', schema: { type: 'string' } }
    },
    body: {
      type: 'application/x-ndjson',
      schema: lines,
      example: '{"id":"ctillworksmug00000000001","slug":"stoneware-mug","name":"Stoneware mug","price":"19.99"}\n'
    },
    answers: {
      200: {
        description: 'What was changed',
        headers: ['Cache-Control'],
        body: {
          schema: imported,
          example: { success: true, data: { created: 1, changed: 0, unchanged: 5, dryRun: false } }
        }
      }
    },
    problems: ['catalogue_refused']
  }
}
