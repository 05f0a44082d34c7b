import type { LineOptions } from './line-options.js'

/** A validated checkout request, as it is kept on the checkout: what the client claims, prices in major units. */
export interface CartItem {
  productId: string
  name: string
  price: number
  quantity: number
  description?: string
  image?: string
  options?: LineOptions
}

export interface Cart {
  items: CartItem[]
  orderId?: string
  /** The language of the payment page, as the client writes it. */
  locale?: string
}
