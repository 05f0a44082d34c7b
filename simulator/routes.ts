import type Stripe from 'stripe'
import type { Account, Cause } from './account.js'
import { getPrice, listPrices, listProducts } from './catalogue.js'
import { updateCharge } from './charges.js'
import { approveReview, closeDispute, updateDispute } from './disputes.js'
import { invalidRequest, noSuch } from './errors.js'
import { listPage } from './lists.js'
import type { Params } from './params.js'
import { cancelIntent, captureIntent, getIntent, updateIntent } from './payment-intents.js'
import { createRefund, updateRefund } from './refunds.js'
import { createSession, expireDueSessions, expireSession, getSession, updateSession } from './sessions.js'
import type { TableName } from './store.js'
import { shownEndpoint } from './webhook-endpoint.js'

export interface Call {
  account: Account
  params: Params
  cause: Cause
  /** The values of the path's variables. */
  ids: string[]
  path: string
}

interface Route {
  method: 'GET' | 'POST'
  pattern: RegExp
  handle(call: Call & { id: string }): unknown
}

/** `:id` in a path is a variable. */
function route(method: Route['method'], path: string, handle: Route['handle']): Route {
  return { method, pattern: new RegExp(`^${path.replaceAll(':id', '([^/]+)')}$`), handle }
}

const routes: Route[] = [
  route('POST', '/v1/checkout/sessions', ({ account, params }) => createSession(account, params)),
  route('GET', '/v1/checkout/sessions', listSessions),
  route('GET', '/v1/checkout/sessions/:id', ({ account, params, id }) => only(params, getSession(account, id))),
  route('POST', '/v1/checkout/sessions/:id', ({ account, params, id }) => updateSession(account, id, params)),
  route('POST', '/v1/checkout/sessions/:id/expire', ({ account, params, id, cause }) =>
    expireSession(account, id, params, cause)
  ),
  route('GET', '/v1/checkout/sessions/:id/line_items', ({ account, params, id, path }) => {
    getSession(account, id)
    // Line items come in the order in which they were sent.
    return listPage([...(account.store.lineItems.get(id) ?? [])].reverse(), params, path, 'line_item')
  }),
  route('GET', '/v1/payment_intents', ({ account, params, path }) =>
    listPage(account.store.table('payment_intent').values(), params, path, 'payment_intent')
  ),
  route('GET', '/v1/payment_intents/:id', ({ account, params, id }) => {
    params.string('client_secret')
    return only(params, getIntent(account, id))
  }),
  route('POST', '/v1/payment_intents/:id', ({ account, params, id }) => updateIntent(account, id, params)),
  route('POST', '/v1/payment_intents/:id/capture', ({ account, params, id, cause }) =>
    captureIntent(account, id, params, cause)
  ),
  route('POST', '/v1/payment_intents/:id/cancel', ({ account, params, id, cause }) =>
    cancelIntent(account, id, params, cause)
  ),
  route('GET', '/v1/charges', ({ account, params, path }) => {
    const intent = params.string('payment_intent')
    return listPage(
      account.store.table('charge').values(),
      params,
      path,
      'charge',
      charge => intent === undefined || charge.payment_intent === intent
    )
  }),
  route('GET', '/v1/charges/:id', retrieve('charge', 'charge')),
  route('POST', '/v1/charges/:id', ({ account, params, id, cause }) => updateCharge(account, id, params, cause)),
  route('POST', '/v1/refunds', ({ account, params, cause }) => createRefund(account, params, cause)),
  route('GET', '/v1/refunds', ({ account, params, path }) => {
    const intent = params.string('payment_intent')
    const charge = params.string('charge')
    return listPage(
      account.store.table('refund').values(),
      params,
      path,
      'refund',
      refund =>
        (intent === undefined || refund.payment_intent === intent) && (charge === undefined || refund.charge === charge)
    )
  }),
  route('GET', '/v1/refunds/:id', retrieve('refund', 'refund')),
  route('POST', '/v1/refunds/:id', ({ account, params, id }) => updateRefund(account, id, params)),
  route('GET', '/v1/balance_transactions', ({ account, params, path }) => {
    const type = params.string('type')
    const source = params.string('source')
    const currency = params.string('currency')
    return listPage(
      account.store.table('balance_transaction').values(),
      params,
      path,
      'balance_transaction',
      entry =>
        (type === undefined || entry.type === type) &&
        (source === undefined || entry.source === source) &&
        (currency === undefined || entry.currency === currency)
    )
  }),
  route('GET', '/v1/balance_transactions/:id', retrieve('balance_transaction', 'balance transaction')),
  route('GET', '/v1/disputes', ({ account, params, path }) => {
    const intent = params.string('payment_intent')
    const charge = params.string('charge')
    return listPage(
      account.store.table('dispute').values(),
      params,
      path,
      'dispute',
      dispute =>
        (intent === undefined || dispute.payment_intent === intent) &&
        (charge === undefined || dispute.charge === charge)
    )
  }),
  route('GET', '/v1/disputes/:id', retrieve('dispute', 'dispute')),
  route('POST', '/v1/disputes/:id', ({ account, params, id, cause }) => updateDispute(account, id, params, cause)),
  route('POST', '/v1/disputes/:id/close', ({ account, params, id, cause }) => closeDispute(account, id, params, cause)),
  route('GET', '/v1/reviews/:id', retrieve('review', 'review')),
  route('POST', '/v1/reviews/:id/approve', ({ account, params, id, cause }) =>
    approveReview(account, id, params, cause)
  ),
  route('GET', '/v1/radar/early_fraud_warnings/:id', retrieve('radar.early_fraud_warning', 'early fraud warning')),
  route('GET', '/v1/payment_methods/:id', retrieve('payment_method', 'PaymentMethod')),
  route('GET', '/v1/prices', ({ account, params, path }) => listPrices(account, params, path)),
  route('GET', '/v1/prices/:id', ({ account, params, id }) => getPrice(account, params, id)),
  route('GET', '/v1/products', ({ account, params, path }) => listProducts(account, params, path)),
  route('GET', '/v1/products/:id', retrieve('product', 'product')),
  route('GET', '/v1/shipping_rates/:id', retrieve('shipping_rate', 'shipping_rate')),
  route('GET', '/v1/events', listEvents),
  route('GET', '/v1/events/:id', retrieve('event', 'event')),
  route('GET', '/v1/webhook_endpoints', ({ account, params, path }) =>
    listPage(account.endpoint === undefined ? [] : [shownEndpoint(account.endpoint)], params, path, 'webhook_endpoint')
  ),
  route('GET', '/v1/account', ({ params }) => only(params, ACCOUNT))
]

/** Enough of an account for a client that asks whose key it has. */
export const ACCOUNT = {
  id: 'acct_1TillworksDemo0000',
  object: 'account',
  business_profile: { name: 'Tillworks demo' },
  charges_enabled: true,
  country: 'FR',
  default_currency: 'eur',
  details_submitted: true,
  email: 'demo@shop.example',
  payouts_enabled: true,
  settings: { dashboard: { display_name: 'Tillworks demo', timezone: 'Etc/UTC' } },
  type: 'standard'
}

/** Finds the route of a request; a 404 as Stripe has it when there is none. */
export function findRoute(method: string, path: string): { handle(call: Omit<Call, 'ids' | 'path'>): unknown } {
  for (const candidate of routes) {
    const match = candidate.method === method ? candidate.pattern.exec(path) : null
    if (match === null) continue
    const ids = match.slice(1).map(decodeURIComponent)
    return { handle: call => candidate.handle({ ...call, ids, id: ids[0] ?? '', path }) }
  }
  throw invalidRequest(
    `Unrecognized request URL (${method}: ${path}). If you are trying to list objects, remove the trailing slash. If you are trying to retrieve an object, make sure you passed a valid (non-empty) identifier in your code. Please see https://stripe.com/docs or we can help at https://support.stripe.com/.`,
    {},
    404
  )
}

function only<T>(params: Params, object: T): T {
  params.finish()
  return object
}

function retrieve(table: TableName, what: string): Route['handle'] {
  return ({ account, params, id }) => {
    const object = account.store.table(table).get(id)
    if (object === undefined) throw noSuch(what, id)
    return only(params, object)
  }
}

function listSessions({ account, params, path }: Call) {
  expireDueSessions(account)
  const intent = params.string('payment_intent')
  const status = params.string('status', { oneOf: ['complete', 'expired', 'open'] })
  const email = params.hash('customer_details')?.string('email')
  params.notSimulated('customer', 'customer_account', 'payment_link', 'subscription')
  return listPage(
    account.store.table('checkout.session').values(),
    params,
    path,
    'checkout.session',
    session =>
      (intent === undefined || session.payment_intent === intent) &&
      (status === undefined || session.status === status) &&
      (email === undefined || session.customer_details?.email === email)
  )
}

/** https://docs.stripe.com/api/events/list */
function listEvents({ account, params, path }: Call) {
  const type = params.string('type')
  const types = params.strings('types', 20)
  const delivered = params.boolean('delivery_success')
  if (type !== undefined && types !== undefined)
    throw invalidRequest('You may pass either type or types, but not both.', { param: 'types' })
  const wanted = types ?? (type === undefined ? undefined : [type])
  return listPage(account.store.table('event').values(), params, path, 'event', event => {
    if (wanted !== undefined && !wanted.some(each => matchesType(each, event))) return false
    return delivered === undefined || delivered === (event.pending_webhooks === 0)
  })
}

/** "charge.*" stands for all that begin so. */
function matchesType(wanted: string, event: Stripe.Event): boolean {
  return wanted.endsWith('*') ? event.type.startsWith(wanted.slice(0, -1)) : event.type === wanted
}
