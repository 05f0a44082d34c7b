import type { Command } from 'commander'
import { toMinorUnits } from '../shared/money.js'
import { acceptReviewed } from '../shared/orders/accept.js'
import { answeredRefund } from '../shared/orders/answered-refund.js'
import { cancelWhatIsOpen } from '../shared/orders/cancel.js'
import { capturePayment } from '../shared/orders/capture.js'
import { requestRefunds } from '../shared/orders/refund.js'
import { tellStory } from '../shared/orders/story.js'
import { Refused } from '../shared/refused.js'
import { parseRestock } from '../shared/rules/restock.js'
import type { Services } from '../shared/runtime/services.js'
import { type OrderRow, readOrder } from '../shared/statements/orders.js'
import type { RefundRow } from '../shared/statements/refunds.js'
import { command, group, type Output } from './command.js'
import { operator, why, withDatabase, withQueues, withServices } from './environment.js'
import { FAILED } from './exit-code.js'
import { viewStory } from './order-view.js'
import { answer, print } from './print.js'
import { terminal } from './terminal.js'
import { UsageError } from './usage-error.js'

const REFUND_WAIT_MS = 20_000
const REASON = 'why, for the audit trail; asked for at a terminal'
const AMOUNT = 'a part, in major units, such as 5.00'

interface Act extends Output {
  payment?: string
  reason?: string
}

export function order(): Command {
  return group('order', 'An order: its story, its money.', [show(), refund(), capture(), cancel(), accept()])
}

function show(): Command {
  return command(
    'show',
    'An order with its lines, checkouts, payments, refunds, disputes, and all that happened to it.',
    {
      examples: ['order show cmb1x2y3z', 'order show cmb1x2y3z --json']
    }
  )
    .argument('<order>', 'its id')
    .action(async (id: string, options: Output) => {
      await withDatabase('order show', async ({ db }) => answer(options, await tellStory({ db }, id), viewStory))
    })
}

function refund(): Command {
  return command('refund', 'Pay back all or a part of what was captured.', {
    examples: [
      'order refund cmb1x2y3z --reason "came back"',
      'order refund cmb1x2y3z --amount 5.00 --restock stoneware-mug=1 --key return-17'
    ]
  })
    .argument('<order>', 'its id')
    .option('--amount <amount>', AMOUNT)
    .option('--restock <goods>', 'put goods back on the shelf: all, or PRODUCT=2,PRODUCT=1')
    .option('--payment <id>', 'only of this payment (pi_…)')
    .option('--key <key>', 'the same key is the same refund')
    .option('--reason <text>', REASON)
    .action(async (id: string, options: Act & { amount?: string; restock?: string; key?: string }) => {
      await withQueues('order refund', async services => {
        const { currency } = await orderOf(services, id)
        const refunds = await requestRefunds(services, {
          orderId: id,
          amount: amountIn(options.amount, currency),
          reason: await why(options.reason),
          restock: restockIn(options.restock, services),
          paymentIntentId: options.payment,
          key: options.key,
          operator: operator()
        })
        const answered: RefundRow[] = []
        for (const each of refunds) answered.push(await answeredRefund(services, each, REFUND_WAIT_MS))
        answer(options, answered, viewRefunds)
        if (answered.some(({ status }) => status === 'REFUSED')) terminal().exitCode = FAILED
      })
    })
}

function viewRefunds(refunds: RefundRow[]): void {
  for (const refund of refunds) {
    const what = `Refund ${refund.id} of ${refund.paymentIntentId}`
    if (refund.status === 'REFUSED') terminal().stderr.write(`${what} was refused: ${refund.failureReason}\n`)
    else if (refund.status === 'REQUESTED') print(`${what} is recorded; the workers will request it from Stripe.`)
    else print(`${what} is ${refund.status} (${refund.stripeId}).`)
  }
}

function capture(): Command {
  return command('capture', 'Charge what was authorized (PAYMENT_CAPTURE_METHOD=manual).', {
    examples: ['order capture cmb1x2y3z', 'order capture cmb1x2y3z --amount 5.00']
  })
    .argument('<order>', 'its id')
    .option('--amount <amount>', AMOUNT)
    .option('--payment <id>', 'which authorization (pi_…), when there are several')
    .option('--reason <text>', REASON)
    .action(async (id: string, options: Act & { amount?: string }) => {
      await withServices('order capture', async services => {
        const { currency } = await orderOf(services, id)
        const amount = amountIn(options.amount, currency)
        const paymentIntentId = await capturePayment(services, { ...(await inputOf(id, options)), amount })
        answer(options, { orderId: id, paymentIntentId }, () => print(`Order ${id}: ${paymentIntentId} is captured.`))
      })
    })
}

function cancel(): Command {
  return command('cancel', 'End an unpaid order: its Session expires, its authorization is given back.', {
    examples: ['order cancel cmb1x2y3z --reason "the customer called"']
  })
    .argument('<order>', 'its id')
    .option('--payment <id>', 'which authorization (pi_…), when there are several')
    .option('--reason <text>', REASON)
    .action(async (id: string, options: Act) => {
      await withServices('order cancel', async services => {
        await orderOf(services, id)
        const cancelled = await cancelWhatIsOpen(services, await inputOf(id, options))
        answer(options, { orderId: id, ...cancelled }, () => {
          if (!('paymentIntentId' in cancelled)) return print(`Order ${id} is cancelled.`)
          print(`${cancelled.paymentIntentId} is not charged; the order is ${cancelled.status}.`)
        })
      })
    })
}

function accept(): Command {
  return command('accept', 'Let a payment in review count for its order.', {
    examples: ['order accept cmb1x2y3z --note "the amount is what we agreed on"']
  })
    .argument('<order>', 'its id')
    .option('--payment <id>', 'which payment (pi_…), when several are in review')
    .option('--note <text>', REASON)
    .action(async (id: string, { note, ...options }: Output & { payment?: string; note?: string }) => {
      await withServices('order accept', async services => {
        await orderOf(services, id)
        const accepted = await acceptReviewed(services, await inputOf(id, { ...options, reason: note }))
        answer(options, { orderId: id, ...accepted }, ({ paymentIntentId, status }) =>
          print(`Payment ${paymentIntentId} counts now; the order is ${status}.`)
        )
      })
    })
}

async function inputOf(orderId: string, { payment, reason }: Act) {
  return { orderId, paymentIntentId: payment, reason: await why(reason), operator: operator() }
}

async function orderOf({ db }: Pick<Services, 'db'>, id: string): Promise<OrderRow> {
  const order = await readOrder(db.pool, id)
  if (order === undefined) throw new Refused('order_not_found', `There is no order ${id}.`)
  return order
}

function amountIn(text: string | undefined, currency: string): number | undefined {
  if (text === undefined) return undefined
  const amount = /^\d+(\.\d+)?$/.test(text) ? toMinorUnits(Number(text), currency) : undefined
  if (amount === undefined) throw new UsageError(`--amount: ${currency} has no amount "${text}".`)
  return amount
}

function restockIn(text: string | undefined, { config }: Pick<Services<'catalogue'>, 'config'>) {
  if (text === undefined) return undefined
  const restock = parseRestock(text, config.catalogue.productIdFormat)
  if (restock === null)
    throw new UsageError('--restock takes all, or quantities by product such as PRODUCT=2,PRODUCT=1.')
  return restock
}
