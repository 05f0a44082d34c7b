import type Stripe from 'stripe'
import { type MinorUnits, toDecimalString } from '../money.js'
import { type ProductIdFormat, readProductId } from '../rules/product-id.js'
import { MAX_DESCRIPTION, MAX_NAME } from '../rules/product-values.js'
import { priceColumn } from './columns.js'
import type { Cell, GivenProduct } from './given-product.js'

export interface StripeCatalogue {
  products: GivenProduct[]
  /** What was left out, and why. */
  notes: string[]
}

/**
 * The account's active Products with their one-time Prices, the default price first, each with its further currencies
 * (https://docs.stripe.com/api/prices/object#price_object-currency_options). Stripe counts no stock: new ones are not counted.
 */
export async function readStripeProducts(
  stripe: Stripe,
  rules: { shopCurrency: string; idFormat: ProductIdFormat },
  onProgress: (read: number) => void = () => undefined
): Promise<StripeCatalogue> {
  const prices = await pricesByProduct(stripe)
  const products: GivenProduct[] = []
  const notes: string[] = []
  for await (const product of stripe.products.list({ active: true, limit: 100 })) {
    const amounts = amountsOf(product, prices.get(product.id) ?? [], note => notes.push(`${nameOf(product)}: ${note}`))
    if (amounts.size > 0) products.push(givenProduct(product, amounts, rules))
    else notes.push(`${nameOf(product)} is left out: it has no one-time price`)
    onProgress(products.length)
  }
  return { products, notes }
}

async function pricesByProduct(stripe: Stripe): Promise<Map<string, Stripe.Price[]>> {
  const prices = new Map<string, Stripe.Price[]>()
  for await (const price of stripe.prices.list({ active: true, limit: 100, expand: ['data.currency_options'] })) {
    const id = idOf(price.product)
    prices.set(id, [...(prices.get(id) ?? []), price])
  }
  return prices
}

/** What a product costs, by currency, in upper case; the first of a currency counts. */
function amountsOf(product: Stripe.Product, prices: Stripe.Price[], note: (text: string) => void): Map<string, number> {
  const standard = product.default_price && idOf(product.default_price)
  const amounts = new Map<string, number>()
  // The default first, then as they were made: Stripe lists the newest first.
  const inOrder = [
    ...prices.filter(({ id }) => id === standard),
    ...prices.filter(({ id }) => id !== standard).reverse()
  ]
  for (const price of inOrder) {
    if (price.type !== 'one_time') {
      note(`its recurring price ${price.id} is left out`)
      continue
    }
    const options = Object.entries(price.currency_options ?? {}).map(
      ([code, { unit_amount }]) => [code, unit_amount] as const
    )
    for (const [code, amount] of [[price.currency, price.unit_amount] as const, ...options]) {
      const currency = code.toUpperCase()
      const known = amounts.get(currency)
      if (amount === null || amount === 0)
        note(`${price.id} is left out in ${currency}: it has no amount in whole minor units`)
      else if (known === undefined) amounts.set(currency, amount)
      else if (known !== amount)
        note(`${price.id} is left out in ${currency}: another of its prices is in ${currency}, too`)
    }
  }
  return amounts
}

function givenProduct(
  product: Stripe.Product,
  amounts: Map<string, number>,
  { shopCurrency, idFormat }: { shopCurrency: string; idFormat: ProductIdFormat }
): GivenProduct {
  const [first = shopCurrency] = amounts.keys()
  const own = amounts.has(shopCurrency) ? shopCurrency : first
  const id = [product.metadata.productId, product.id].find(text => text && readProductId(text, idFormat) !== undefined)
  const slug = product.metadata.slug || (id === undefined ? product.id : undefined)
  const texts: Record<string, string | undefined> = {
    id,
    slug,
    name: product.name.slice(0, MAX_NAME),
    description: (product.description ?? '').slice(0, MAX_DESCRIPTION),
    image: product.images[0] ?? '',
    currency: own,
    active: 'true'
  }
  for (const [currency, amount] of amounts) {
    texts[currency === own ? 'price' : priceColumn(currency)] = toDecimalString(amount as MinorUnits, currency)
  }
  const cells = new Map<string, Cell>()
  for (const [field, text] of Object.entries(texts))
    if (text !== undefined) cells.set(field, { column: `${product.id} ${field}`, text })
  return { line: 0, cells, uncountedWhenNew: true }
}

function nameOf({ id, name }: Stripe.Product): string {
  return `${id} (${name})`
}

function idOf(reference: string | { id: string }): string {
  return typeof reference === 'string' ? reference : reference.id
}
