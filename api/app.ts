import express, { type Express } from 'express'
import helmet from 'helmet'
import { proxiesOf } from '../shared/identity/client-address.js'
import { crossOrigin } from './cross-origin.js'
import type { Ingress } from './ingress.js'
import { notFound, onlyMethods, renderProblems } from './problem.js'
import { limitByAddress } from './rate-limits.js'
import { countAnswers, forwardedAddress, lastAnswers, requestContext } from './request-context.js'
import { checkoutRoute } from './routes/checkout.js'
import { checkoutGivingUpRoute } from './routes/checkout-giving-up.js'
import { checkoutStatusRoutes } from './routes/checkout-status.js'
import { guestRoutes } from './routes/guests.js'
import { healthRoutes } from './routes/health.js'
import { orderListRoute } from './routes/order-list.js'
import { orderRoutes } from './routes/orders.js'
import { productsRoute } from './routes/products.js'
import { REFERENCE_PATHS, referenceRoutes } from './routes/reference.js'
import { webhookRoute } from './routes/webhook.js'
import { traceRequests } from './trace-requests.js'

/** The methods of each path, for the 405 of all others. */
const METHODS: Record<string, string[]> = {
  '/api/stripe/webhook': ['POST'],
  '/api/stripe/checkout': ['POST'],
  '/api/stripe/checkout/:id': ['GET', 'DELETE'],
  '/api/stripe/checkout/:id/events': ['GET'],
  '/api/orders': ['GET', 'POST'],
  '/api/orders/:id': ['GET'],
  '/api/products': ['GET'],
  '/api/guest': ['POST'],
  '/api/guest/claim': ['POST'],
  '/healthz': ['GET'],
  '/readyz': ['GET']
}

/** The whole ingress. `pages` are mounted in front of the 404: the demo storefront in the all-in-one start. */
export function createApp(ingress: Ingress, pages?: express.Router): Express {
  const app = express()
  app.disable('x-powered-by')
  app.set('etag', false)
  app.set('query parser', 'simple')
  app.set('trust proxy', proxiesOf(ingress.config.trustProxy))
  app.use(lastAnswers(ingress.drain), traceRequests)
  app.use(forwardedAddress(ingress.config), requestContext(ingress.log), countAnswers)
  app.use(webhookRoute(ingress))
  // The pages of the demo bring their own policy; everything else here is data.
  app.use('/api', helmet(), ...crossOrigin(ingress.config), limitByAddress(ingress.limits))
  app.use(checkoutRoute(ingress))
  app.use(checkoutStatusRoutes(ingress))
  app.use(checkoutGivingUpRoute(ingress))
  app.use(orderRoutes(ingress))
  app.use(orderListRoute(ingress))
  app.use(productsRoute(ingress))
  app.use(guestRoutes(ingress))
  app.use(healthRoutes(ingress))
  for (const [path, methods] of Object.entries(METHODS)) app.all(path, onlyMethods(...methods))
  if (ingress.config.apiReference) {
    app.use(referenceRoutes(ingress.config))
    app.all(REFERENCE_PATHS, onlyMethods('GET'))
  }
  if (pages !== undefined) app.use(pages)
  app.use(notFound)
  app.use(renderProblems(ingress.log))
  return app
}
