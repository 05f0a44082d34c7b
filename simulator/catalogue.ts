import type Stripe from 'stripe'
import type { Account } from './account.js'
import { noSuch } from './errors.js'
import { listPage } from './lists.js'
import type { Params } from './params.js'

/** https://docs.stripe.com/api/products/list */
export function listProducts(account: Account, params: Params, path: string) {
  const active = params.boolean('active')
  const ids = params.strings('ids')
  params.notSimulated('shippable', 'url')
  return listPage(
    account.store.table('product').values(),
    params,
    path,
    'product',
    product => (active === undefined || product.active === active) && (ids === undefined || ids.includes(product.id))
  )
}

/** https://docs.stripe.com/api/prices/list */
export function listPrices(account: Account, params: Params, path: string) {
  const active = params.boolean('active')
  const currency = params.string('currency')?.toLowerCase()
  const product = params.string('product')
  const type = params.string('type', { oneOf: ['one_time', 'recurring'] })
  params.notSimulated('lookup_keys', 'recurring')
  const page = listPage(
    account.store.table('price').values(),
    params,
    path,
    'price',
    price =>
      (active === undefined || price.active === active) &&
      (currency === undefined || price.currency === currency) &&
      (product === undefined || price.product === product) &&
      (type === undefined || price.type === type)
  )
  return { ...page, data: page.data.map(shown) }
}

export function getPrice(account: Account, params: Params, id: string): Stripe.Price {
  const price = account.store.table('price').get(id)
  if (price === undefined) throw noSuch('price', id)
  params.finish()
  return shown(price)
}

/** Its currencies are only there when they are expanded. */
function shown({ currency_options: _, ...price }: Stripe.Price): Stripe.Price {
  return price
}
