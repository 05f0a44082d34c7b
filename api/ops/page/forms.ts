import { tellStory } from '../../../shared/orders/story.js'
import type { Services } from '../../../shared/runtime/services.js'
import { readCheckout } from '../../../shared/statements/checkouts.js'
import { findNotifiedOrder } from '../../../shared/statements/notifications.js'
import { amountText } from './amount.js'

/** One thing that a person fills in; its value becomes the member `name` of the act's body. */
export interface Field {
  name: string
  label: string
  kind: 'text' | 'why' | 'checkbox' | 'choice' | 'time' | 'restock'
  hint?: string
  required?: boolean
  options?: { value: string; label: string }[]
  /** Of a restock: what can go back on the shelf. */
  lines?: { productId: string; name: string; quantity: number }[]
}

export interface FilledForm {
  /** What it is about, in sentences. */
  about: string[]
  fields: Field[]
  /** Where it came from and leads back to. */
  back: string
}

/** How an act is asked for on the page. */
export interface Form {
  title: string
  button: string
  /** What is said once it is done. */
  done: string
  load(services: Services, id: string): Promise<FilledForm>
}

const REASON: Field = {
  name: 'reason',
  label: 'Why?',
  kind: 'why',
  hint: 'It goes into the audit trail.',
  required: true
}
const NOTE: Field = { ...REASON, name: 'note' }

/** By the paths of the acts. A test finds one that is missing. */
export const forms: Record<string, Form> = {
  '/orders/:id/refund': {
    title: 'Refund',
    button: 'Refund',
    done: 'The refund is recorded. Stripe’s answer is in the table of refunds.',
    load: (services, id) =>
      ofOrder(services, id, story => [
        {
          name: 'amount',
          label: `Amount in ${story.currency}`,
          kind: 'text',
          hint: 'Empty: all that is left. A part is written like 5.00.'
        },
        {
          name: 'restock',
          label: 'Goods',
          kind: 'restock',
          lines: story.items.map(({ productId, name, quantity }) => ({ productId, name, quantity }))
        },
        ...paymentChoice(story.payments.filter(each => each.captured > 0n))
      ])
  },
  '/orders/:id/capture': {
    title: 'Capture',
    button: 'Capture',
    done: 'The money is captured.',
    load: (services, id) =>
      ofOrder(services, id, story => [
        {
          name: 'amount',
          label: `Amount in ${story.currency}`,
          kind: 'text',
          hint: 'Empty: all that is authorized. What is not captured is given back.'
        },
        ...paymentChoice(story.payments.filter(each => each.status === 'AUTHORIZED'))
      ])
  },
  '/orders/:id/cancel': {
    title: 'Cancel',
    button: 'Cancel the order',
    done: 'It is cancelled.',
    load: (services, id) =>
      ofOrder(services, id, story => paymentChoice(story.payments.filter(each => each.status === 'AUTHORIZED')))
  },
  '/orders/:id/accept': {
    title: 'Accept',
    button: 'Accept the payment',
    done: 'The payment counts.',
    load: (services, id) =>
      ofOrder(services, id, story => paymentChoice(story.payments.filter(each => each.reviewReason !== null)))
  },
  '/orders/:id/reconcile': {
    title: 'Reconcile with Stripe',
    button: 'Compare and repair',
    done: 'Compared with Stripe. What differed is the newest entry of the order’s story.',
    load: (services, id) => ofOrder(services, id, () => [])
  },
  '/events/:id/replay': {
    title: 'Replay event',
    button: 'Apply it again',
    done: 'The event will be applied again.',
    load: async (_services, id) => ({ about: [`Event ${id}`], fields: [NOTE], back: `/ops/events/${id}` })
  },
  '/events/:id/resolve': {
    title: 'Resolve event',
    button: 'Resolve',
    done: 'The event is resolved.',
    load: async (_services, id) => ({
      about: [`Event ${id} was dealt with by other means and is not applied any more.`],
      fields: [NOTE],
      back: `/ops/events/${id}`
    })
  },
  '/checkouts/:id/expire': {
    title: 'Expire checkout',
    button: 'Expire',
    done: 'The checkout is over.',
    async load({ db }, id) {
      const orderId = (await readCheckout(db.pool, id))?.orderId
      return {
        about: [`Checkout ${id} ends at Stripe and its goods go back. A customer who was faster keeps the payment.`],
        fields: [
          REASON,
          {
            name: 'unknownToStripe',
            label: 'Stripe does not know its Session any more',
            kind: 'checkbox',
            hint: 'Stripe is asked first, and what it knows is not ended so.'
          }
        ],
        back: orderId ? `/ops/orders/${orderId}` : '/ops'
      }
    }
  },
  '/notifications/:id/replay': {
    title: 'Send notification again',
    button: 'Send again',
    done: 'The shop will be told again.',
    async load({ db }, id) {
      const orderId = await findNotifiedOrder(db.pool, id)
      return {
        about: [`Notification ${id} keeps its id, so that a shop that has it already can tell.`],
        fields: [NOTE],
        back: orderId === undefined ? '/ops' : `/ops/orders/${orderId}`
      }
    }
  },
  '/alerts/:id/resolve': {
    title: 'Resolve alert',
    button: 'Resolve',
    done: 'The alert is resolved.',
    load: async (_services, id) => ({ about: [`Alert ${id}`], fields: [NOTE], back: '/ops' })
  },
  '/fraud/clearances': {
    title: 'Unblock a customer or an address',
    button: 'Unblock',
    done: 'The fraud rules count from zero.',
    load: async () => ({
      about: ['From now on the fraud rules count from zero for this customer, this address, or both.'],
      fields: [
        { name: 'userId', label: 'Customer', kind: 'text' },
        { name: 'ipAddress', label: 'IP address', kind: 'text' },
        NOTE
      ],
      back: '/ops'
    })
  },
  '/maintenance/on': {
    title: 'Close checkouts',
    button: 'Close checkouts',
    done: 'Every process refuses new checkouts and orders within a second.',
    load: async () => ({
      about: ['New checkouts and orders are refused on every process. Webhooks and workers go on.'],
      fields: [
        { name: 'message', label: 'What customers read', kind: 'text', required: true },
        { name: 'until', label: 'Until (UTC)', kind: 'time', hint: 'Empty: until somebody opens them again.' },
        REASON
      ],
      back: '/ops'
    })
  },
  '/maintenance/off': {
    title: 'Open checkouts',
    button: 'Open checkouts',
    done: 'Checkouts are open.',
    load: async () => ({ about: ['New checkouts are taken again.'], fields: [REASON], back: '/ops' })
  }
}

type Story = Awaited<ReturnType<typeof tellStory>>

async function ofOrder(services: Services, id: string, fieldsOf: (story: Story) => Field[]): Promise<FilledForm> {
  const story = await tellStory(services, id)
  const { currency, status, email, userId } = story
  const [total, captured, refunded] = [story.total, story.captured, story.refunded].map(each =>
    amountText(each, currency)
  )
  return {
    about: [
      `Order ${id} of ${email ?? userId} (${status.replaceAll('_', ' ').toLowerCase()}): ${total} in all, ${captured} captured, ${refunded} refunded.`
    ],
    fields: [...fieldsOf(story), REASON],
    back: `/ops/orders/${id}`
  }
}

/** Asked for only where there are several. */
function paymentChoice(payments: Story['payments']): Field[] {
  if (payments.length < 2) return []
  const options = payments.map(({ paymentIntentId: value, amount, currency, status }) => ({
    value,
    label: `${value}, ${amountText(amount, currency)}, ${status.toLowerCase()}`
  }))
  return [
    { name: 'payment', label: 'Payment', kind: 'choice', options: [{ value: '', label: 'the only one' }, ...options] }
  ]
}

/** The body of an act from what a form has posted: what was left empty is not said. */
export function bodyOf(fields: Field[], posted: Record<string, string>): Record<string, unknown> {
  return Object.fromEntries(
    fields.flatMap((field): [string, unknown][] => {
      const text = (posted[field.name] ?? '').trim()
      if (field.kind === 'restock') return restockOf(field, posted)
      if (text === '') return []
      if (field.kind === 'checkbox') return [[field.name, true]]
      if (field.kind === 'time') return [[field.name, /^[\d-]+T\d+:\d+$/.test(text) ? `${text}:00Z` : text]]
      return [[field.name, text]]
    })
  )
}

function restockOf({ name, lines = [] }: Field, posted: Record<string, string>): [string, unknown][] {
  if (posted[name] === 'all') return [[name, 'all']]
  if (posted[name] !== 'some') return []
  const quantities = lines
    .map(({ productId }) => [productId, Number(posted[`${name}.${productId}`] || 0)] as const)
    .filter(([, quantity]) => quantity !== 0)
  return quantities.length === 0 ? [] : [[name, Object.fromEntries(quantities)]]
}
