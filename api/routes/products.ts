import { Router } from 'express'
import { minorFromBigInt, toMajorUnits } from '../../shared/money.js'
import { listProducts } from '../../shared/statements/stock.js'
import type { Ingress } from '../ingress.js'

/** GET /api/products: what can be bought; prices in major units, stock without what others have reserved. */
export function productsRoute(ingress: Ingress): Router {
  return Router().get('/api/products', async (_request, response) => {
    const products = await listProducts(ingress.db)
    response.setHeader('Cache-Control', 'no-store')
    response.json({
      success: true,
      data: products.map(({ id, slug, name, description, image, price, currency, stock, reserved }) => ({
        id,
        slug,
        name,
        description,
        image,
        price: toMajorUnits(minorFromBigInt(price), currency),
        currency,
        stock: stock - reserved
      }))
    })
  })
}
