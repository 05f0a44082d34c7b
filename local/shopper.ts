import type { ProblemBody } from '../shared/errors.js'
import { signSessionToken } from '../shared/identity/session-token.js'
import type { CheckoutData } from '../shared/rules/checkout-outcome.js'
import { eventually } from './eventually.js'

export interface CatalogueItem {
  id: string
  slug: string
  name: string
  price: number
  currency: string
  stock: number
}

export interface Line {
  productId: string
  name: string
  price: number
  quantity: number
}

export interface Answer<T> {
  status: number
  headers: Headers
  body: { success: true; data: T; next?: string | null } | ProblemBody
}

export interface OrderData {
  id: string
  status: string
  createdAt: string
  currency: string
  subtotal: number | null
  shipping: number | null
  total: number | null
  items: Line[]
  customer: { email: string | null; name: string | null; phone: string | null } | null
  checkout: (CheckoutData & { metadata: Record<string, string> }) | null
  metadata: Record<string, string>
}

/** A storefront's side of the API, as one customer, over HTTP. */
export interface Shopper {
  userId: string
  /** All of them, page by page. */
  products(): Promise<CatalogueItem[]>
  product(slug: string): Promise<CatalogueItem>
  checkout(body: unknown, headers?: Record<string, string>): Promise<Answer<CheckoutData>>
  checkoutStatus(id: string): Promise<Answer<CheckoutData & { orderStatus?: string; metadata: Record<string, string> }>>
  createOrder(body: unknown, headers?: Record<string, string>): Promise<Answer<OrderData>>
  order(id: string): Promise<Answer<OrderData>>
  /** Polls until the order has the status; throws after 15 seconds. */
  orderBecomes(id: string, status: string): Promise<OrderData>
  /** Polls until the checkout has the status; throws after 15 seconds. */
  checkoutBecomes(id: string, status: string): Promise<CheckoutData>
  /** Posts the simulator's payment page. */
  pay(
    url: string,
    number?: string,
    fields?: Record<string, string>
  ): Promise<{ status: number; location: string | null }>
  request(path: string, init?: RequestInit): Promise<Response>
}

export async function createShopper(options: {
  port: number
  /** BASE_PATH of the ingress. */
  basePath?: string
  authSecret: string
  userId: string
  email: string | null
  /** In place of a session token of ours. */
  headers?: Record<string, string>
}): Promise<Shopper> {
  const base = `http://127.0.0.1:${options.port}${options.basePath ?? ''}`
  const token = await signSessionToken({ userId: options.userId, email: options.email }, options.authSecret, 3_600)
  const session = options.headers ?? { Authorization: `Bearer ${token}` }
  const request = (path: string, init: RequestInit = {}) =>
    fetch(`${base}${path}`, {
      ...init,
      headers: { ...session, ...(init.headers as Record<string, string>) }
    })
  const post = async <T>(path: string, body: unknown, headers: Record<string, string> = {}): Promise<Answer<T>> => {
    const payload = typeof body === 'string' ? body : JSON.stringify(body)
    return await answer<T>(
      await request(path, {
        method: 'POST',
        body: payload,
        headers: { 'Content-Type': 'application/json', ...headers }
      })
    )
  }
  const get = async <T>(path: string) => await answer<T>(await request(path))
  const order = (id: string) => get<OrderData>(`/api/orders/${id}`)
  const checkoutStatus = (id: string) =>
    get<CheckoutData & { orderStatus?: string; metadata: Record<string, string> }>(`/api/stripe/checkout/${id}`)
  const products = async (query = '') => {
    const all: CatalogueItem[] = []
    for (let page: string | null | undefined = `/api/products${query}`; page; ) {
      const found: Answer<CatalogueItem[]> = await get(page)
      all.push(...data(found))
      page = found.body.success && found.body.next ? `/api/products?cursor=${found.body.next}` : undefined
    }
    return all
  }
  return {
    userId: options.userId,
    products: () => products(),
    async product(slug) {
      const [found] = await products(`?slug=${encodeURIComponent(slug)}`)
      if (found === undefined) throw new Error(`There is no product ${slug}`)
      return found
    },
    checkout: (body, headers) => post('/api/stripe/checkout', body, headers),
    checkoutStatus,
    createOrder: (body, headers) => post('/api/orders', body, headers),
    order,
    orderBecomes: (id, status) => become(`order ${id}`, async () => data(await order(id)), status),
    checkoutBecomes: (id, status) => become(`checkout ${id}`, async () => data(await checkoutStatus(id)), status),
    async pay(url, number = '4242424242424242', fields = {}) {
      const body = new URLSearchParams({ number, exp: '12/34', cvc: '123', name: 'Ada Lovelace', ...fields })
      const response = await fetch(url, { method: 'POST', body, redirect: 'manual' })
      await response.arrayBuffer()
      return { status: response.status, location: response.headers.get('location') }
    },
    request
  }
}

export function lineOf(product: CatalogueItem, quantity: number): Line {
  return { productId: product.id, name: product.name, price: product.price, quantity }
}

export const address = {
  firstName: 'Ada',
  lastName: 'Lovelace',
  email: 'ada@shop.example',
  street: '1 rue de la Paix',
  city: 'Paris',
  postalCode: '75002',
  country: 'FR'
}

/** The data of a success; throws the problem of a refusal. */
export function data<T>({ status, body }: Answer<T>): T {
  if (!body.success)
    throw new Error(`${status} ${body.error}: ${body.detail ?? JSON.stringify(body.errors ?? body.details ?? '')}`)
  return body.data
}

async function answer<T>(response: Response): Promise<Answer<T>> {
  return { status: response.status, headers: response.headers, body: (await response.json()) as Answer<T>['body'] }
}

async function become<T extends { status: string }>(what: string, look: () => Promise<T>, status: string): Promise<T> {
  const seen = await eventually(look, value => value.status === status)
  if (seen.status !== status) throw new Error(`${what} is still ${seen.status}, not ${status}`)
  return seen
}
