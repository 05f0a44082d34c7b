import { ApiError } from './errors.js'

/** What a restricted key can be allowed: the names in Stripe's errors, and those of its dashboard. */
interface Resource {
  permission: string
  title: string
  paths: string[]
  /** The properties that show such an object when they are expanded. */
  expanded?: string[]
}

/** Source: https://docs.stripe.com/keys/permissions-reference, and the names that are in errors which people report. */
const RESOURCES: Resource[] = [
  { permission: 'checkout_session', title: 'Checkout Sessions', paths: ['/v1/checkout/sessions'] },
  {
    permission: 'payment_intent',
    title: 'PaymentIntents',
    paths: ['/v1/payment_intents'],
    expanded: ['payment_intent']
  },
  {
    permission: 'charge',
    title: 'Charges and Refunds',
    paths: ['/v1/charges', '/v1/refunds'],
    expanded: ['charge', 'latest_charge', 'refunds']
  },
  {
    permission: 'balance_transaction_source',
    title: 'Balance Transaction Sources',
    paths: ['/v1/balance_transactions'],
    expanded: ['balance_transaction', 'failure_balance_transaction']
  },
  { permission: 'dispute', title: 'Disputes', paths: ['/v1/disputes'] },
  { permission: 'review', title: 'Reviews', paths: ['/v1/reviews', '/v1/radar/early_fraud_warnings'] },
  { permission: 'payment_method', title: 'Payment Methods', paths: ['/v1/payment_methods'] },
  { permission: 'plan', title: 'Prices', paths: ['/v1/prices'] },
  { permission: 'product', title: 'Products', paths: ['/v1/products'] },
  { permission: 'shipping_rate', title: 'Shipping Rates', paths: ['/v1/shipping_rates'] },
  { permission: 'event', title: 'Events', paths: ['/v1/events'] },
  { permission: 'webhook', title: 'Webhook Endpoints', paths: ['/v1/webhook_endpoints'] },
  { permission: 'connected_account', title: 'Accounts', paths: ['/v1/account'] }
]

interface Asked {
  method: string
  path: string
  /** The paths of `expand`. */
  expand: string[]
}

/**
 * Throws as Stripe does for a restricted key that lacks what the request needs, before it looks at the parameters. Who may
 * write may read. https://docs.stripe.com/keys/restricted-api-keys
 */
export function checkPermissions(granted: readonly string[], account: string, asked: Asked): void {
  const may = (permission: string, access: 'read' | 'write') =>
    granted.includes(`${permission}_write`) || (access === 'read' && granted.includes(`${permission}_read`))
  const own = RESOURCES.filter(({ paths }) =>
    paths.some(path => asked.path === path || asked.path.startsWith(`${path}/`))
  ).map(resource => ({ ...resource, access: asked.method === 'GET' ? ('read' as const) : ('write' as const) }))
  const shown = RESOURCES.filter(({ expanded = [] }) =>
    asked.expand.some(path => path.split('.').some(key => expanded.includes(key)))
  ).map(resource => ({ ...resource, access: 'read' as const }))
  const lacking = [...own, ...shown].filter(({ permission, access }) => !may(permission, access))
  if (lacking.length === 0) return
  const names = lacking.map(
    ({ title, permission, access }) => `${title} ${access === 'read' ? 'Read' : 'Write'} ('${permission}_${access}')`
  )
  throw new ApiError(403, {
    type: 'invalid_request_error',
    code: 'more_permissions_required',
    message: `Permission denied. The provided key 'rk_test_****demo' does not have the required permissions for this endpoint on account '${account}'. Enabling ${names.join(', ')} permissions on this key would allow this request to continue. You can edit permissions at https://dashboard.stripe.com/b/${account}?destination=%2Fapikeys%2Fmk_1TillworksDemo%2Fedit`
  })
}

/** What a restricted key needs for a request, as Stripe's earlier errors name it: rak_charge_read. */
export function permissionFor(method: string, path: string): string {
  const resource = RESOURCES.find(({ paths }) => paths.some(each => path === each || path.startsWith(`${each}/`)))
  return `rak_${resource?.permission ?? 'connected_account'}_${method === 'GET' ? 'read' : 'write'}`
}
