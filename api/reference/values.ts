import { z } from 'zod'
import { CheckoutStatus, OrderStatus } from '../../prisma/generated/enums.js'
import { named } from './components.js'

export const time = () => z.string().meta({ format: 'date-time' })

export const currency = () => z.string().meta({ pattern: '^[A-Z]{3}$', description: 'ISO 4217' })

/** In major units: 19.99. */
export const amount = () => z.number().meta({ description: 'In major units of the currency' })

export const checkoutStatus = named('CheckoutStatus', z.enum(CheckoutStatus))
export const orderStatus = named('OrderStatus', z.enum(OrderStatus))

export const metadata = named(
  'Metadata',
  z.record(z.string(), z.string()).meta({ description: "The shop's own, never read by us" })
)

export const success = <S extends z.ZodType>(data: S) => z.object({ success: z.literal(true), data })

export const page = <S extends z.ZodType>(each: S) =>
  z.object({
    success: z.literal(true),
    data: z.array(each),
    next: z.string().nullable().meta({ description: 'The cursor of the next page; null on the last one' })
  })

export const examples = {
  productId: 'ctillworksmug00000000001',
  orderId: 'cmwvwdof0mvw2plh6eb0j3ual',
  checkoutId: 'cmwvwdoohsgc8bg34kz8s5ny9',
  requestId: 'b5130f51-2c04-4055-80ee-94a59ac60679',
  time: '2026-11-25T10:04:42.000Z',
  line: { productId: 'ctillworksmug00000000001', name: 'Stoneware mug', price: 19.99, quantity: 2 }
}
