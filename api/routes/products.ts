import { Router } from 'express'
import { z } from 'zod'
import { minor, toMajorUnits } from '../../shared/money.js'
import { type ListedProduct, listProducts } from '../../shared/statements/product-list.js'
import { sendUnlessKnown } from '../entity-tag.js'
import type { Ingress } from '../ingress.js'
import { linkNext, MAX_PAGE, pageOf, pageParameters } from '../page.js'
import { once, readQuery, repeated } from '../query.js'

const query = z.strictObject({
  ...pageParameters({ limit: MAX_PAGE }),
  slug: repeated(once().min(1, 'Slug must not be empty').max(255, 'Slug too long'), MAX_PAGE),
  q: once().max(100, 'Search text too long').optional()
})

/** GET /api/products: what can be bought, by name and by pages; prices in major units, stock without what others have reserved. */
export function productsRoute(ingress: Ingress): Router {
  return Router().get('/api/products', async (request, response) => {
    const { limit, cursor, slug, q } = readQuery(request, query)
    const filter = { slugs: slug, part: q === '' ? undefined : q }
    const found = await listProducts(ingress.db.pool, filter, { after: cursor, limit: limit + 1 })
    const { rows, next } = pageOf(found, limit, ({ name, id }) => [name, id])
    const body = JSON.stringify({ success: true, data: rows.map(productData), next })
    linkNext(request, response, next)
    // The same for everybody; whoever keeps it asks before each use whether it still holds, since the stock changes.
    response.setHeader('Cache-Control', 'public, no-cache')
    // Also where no Origin was sent: what is kept of that answer must not be given to another site's page.
    response.vary('Origin')
    sendUnlessKnown(request, response, body)
  })
}

function productData({ available, price, ...product }: ListedProduct) {
  const { id, slug, name, description, image, currency } = product
  return {
    id,
    slug,
    name,
    description,
    image,
    price: toMajorUnits(minor(price), currency),
    currency,
    stock: available
  }
}
