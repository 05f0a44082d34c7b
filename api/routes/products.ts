import { Router } from 'express'
import { z } from 'zod'
import { minor, toMajorUnits } from '../../shared/money.js'
import { type ListedProduct, listProducts } from '../../shared/statements/product-list.js'
import { sendUnlessKnown } from '../entity-tag.js'
import type { Ingress } from '../ingress.js'
import { linkNext, MAX_PAGE, pageOf, pageParameters } from '../page.js'
import { once, readQuery, repeated } from '../query.js'
import { soldCurrency } from '../sold-currency.js'

const queryOf = (currencies: readonly string[]) =>
  z.strictObject({
    ...pageParameters({ limit: MAX_PAGE }),
    currency: once().pipe(soldCurrency(currencies)).optional(),
    slug: repeated(once().min(1, 'Slug must not be empty').max(255, 'Slug too long'), MAX_PAGE),
    q: once().max(100, 'Search text too long').optional()
  })

/** GET /api/products: what can be bought, by name and by pages; prices in major units, stock without what others have reserved. */
export function productsRoute(ingress: Ingress): Router {
  const { payment } = ingress.config
  const query = queryOf(payment.currencies)
  return Router().get('/api/products', async (request, response) => {
    const { limit, cursor, slug, q, currency } = readQuery(request, query)
    const filter = { slugs: slug, part: q === '' ? undefined : q }
    const pricedIn = { currency: currency ?? payment.currency, alone: currency !== undefined }
    const found = await listProducts(ingress.db.pool, filter, pricedIn, { after: cursor, limit: limit + 1 })
    const { rows, next } = pageOf(found, limit, ({ name, id }) => [name, id])
    const body = JSON.stringify({
      success: true,
      data: rows.map(row => productData(row, currency === undefined ? [] : payment.currencies)),
      next
    })
    linkNext(ingress.config.basePath, request, response, next)
    // The same for everybody; whoever keeps it asks before each use whether it still holds, since the stock changes.
    response.setHeader('Cache-Control', 'public, no-cache')
    // Also where no Origin was sent: what is kept of that answer must not be given to another site's page.
    response.vary('Origin')
    sendUnlessKnown(request, response, body)
  })
}

/** `prices` is there for who asks for a currency: all that can be paid in. */
function productData({ available, price, prices, ...product }: ListedProduct, currencies: readonly string[]) {
  const { id, slug, name, description, image, currency } = product
  return {
    id,
    slug,
    name,
    description,
    image,
    price: toMajorUnits(minor(price), currency),
    currency,
    ...(currencies.length > 0 && { prices: inMajorUnits(prices, currencies) }),
    stock: available
  }
}

function inMajorUnits(prices: ListedProduct['prices'], currencies: readonly string[]): Record<string, number> {
  const sold = currencies.flatMap(currency => {
    const price = prices[currency]
    return price === undefined ? [] : [[currency, toMajorUnits(minor(price), currency)]]
  })
  return Object.fromEntries(sold)
}
