import { Router } from 'express'
import { z } from 'zod'
import { OrderStatus } from '../../prisma/generated/enums.js'
import { listOrdersOf } from '../../shared/statements/order-list.js'
import type { Ingress } from '../ingress.js'
import { linkNext, type Position, pageOf, pageParameters } from '../page.js'
import { once, readQuery, repeated } from '../query.js'
import { isId } from '../schemas.js'
import { ordersData } from './orders.js'

const DEFAULT_PAGE = 20
const STATUSES = Object.values(OrderStatus)

const query = z.strictObject({
  ...pageParameters({ limit: DEFAULT_PAGE, isPosition: ([at, id]: Position) => isTime(at) && isId(id) }),
  status: repeated(once().pipe(z.enum(STATUSES, `Status must be one of ${STATUSES.join(', ')}`)), STATUSES.length)
})

/** GET /api/orders: the customer's own orders, newest first, by pages. */
export function orderListRoute(ingress: Ingress): Router {
  return Router().get('/api/orders', async (request, response) => {
    const { userId } = await ingress.authenticate(request, response)
    const { limit, cursor, status } = readQuery(request, query)
    const found = await listOrdersOf(ingress.db.pool, userId, { statuses: status, before: cursor, limit: limit + 1 })
    const { rows, next } = pageOf(found, limit, ({ createdAt, id }) => [createdAt.toISOString(), id])
    const orders = await ordersData(
      ingress,
      rows.map(({ id }) => id)
    )
    linkNext(ingress.config.basePath, request, response, next)
    response.setHeader('Cache-Control', 'no-store')
    response.json({ success: true, data: orders, next })
  })
}

function isTime(text: string): boolean {
  const time = new Date(text)
  return !Number.isNaN(time.getTime()) && time.toISOString() === text
}
