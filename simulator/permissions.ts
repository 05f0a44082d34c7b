const RESOURCES: Record<string, string> = {
  'checkout/sessions': 'checkout_session',
  payment_intents: 'payment_intent',
  charges: 'charge',
  refunds: 'charge',
  disputes: 'dispute',
  balance_transactions: 'balance_transaction',
  events: 'event',
  prices: 'plan',
  products: 'product',
  customers: 'customer'
}

/** What a restricted key needs for a request: https://docs.stripe.com/keys/restricted-api-keys */
export function permissionFor(method: string, path: string): string {
  const name = Object.keys(RESOURCES).find(each => path === `/v1/${each}` || path.startsWith(`/v1/${each}/`))
  return `rak_${name === undefined ? 'account' : RESOURCES[name]}_${method === 'GET' ? 'read' : 'write'}`
}
