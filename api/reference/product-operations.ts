import { z } from 'zod'
import { MAX_PAGE } from '../page.js'
import { named } from './components.js'
import type { Operations } from './operation.js'
import { cursor, limit } from './page-parameters.js'
import { amount, currency, examples, page } from './values.js'

const product = named(
  'Product',
  z.object({
    id: z.string(),
    slug: z.string(),
    name: z.string(),
    description: z.string().nullable(),
    image: z.string().nullable(),
    price: amount(),
    currency: currency(),
    prices: z.record(z.string(), z.number()).optional().meta({ description: 'By currency, when one was asked for' }),
    stock: z.number().int().nullable().meta({ description: 'What can be bought now; null when it is not counted' })
  })
)

const productPage = named('ProductPage', page(product))

const example = {
  id: examples.productId,
  slug: 'stoneware-mug',
  name: 'Stoneware mug',
  description: 'Holds 300 ml',
  image: '/images/stoneware-mug.svg',
  price: 19.99,
  currency: 'EUR',
  stock: 40
}

export const productOperations: Operations = {
  'GET /api/products': {
    id: 'listProducts',
    tag: 'Products',
    summary: 'What can be bought',
    access: 'everybody',
    query: {
      limit: limit(MAX_PAGE),
      cursor,
      currency: {
        description: 'One of PAYMENT_CURRENCIES: prices are in it, and what has none in it is left out',
        schema: { type: 'string' },
        example: 'EUR'
      },
      slug: {
        description: 'Only this product; may be repeated',
        schema: { type: 'array', items: { type: 'string', minLength: 1, maxLength: 255 }, maxItems: MAX_PAGE }
      },
      q: { description: 'A part of the name or of the slug', schema: { type: 'string', maxLength: 100 } }
    },
    headers: {
      'If-None-Match': { description: 'The ETag of the page as it is known', schema: { type: 'string' } }
    },
    answers: {
      200: {
        description: 'A page',
        headers: ['ETag', 'Link', 'Cache-Control'],
        body: { schema: productPage, example: { success: true, data: [example], next: null } }
      },
      304: { description: 'The page that is known still holds', headers: ['ETag', 'Cache-Control'] }
    },
    problems: ['invalid_request']
  }
}
