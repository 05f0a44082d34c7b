import { type Response, Router } from 'express'
import { MINUTE, SECOND } from '../../shared/duration.js'
import { Problem, type ProblemExtras, problems } from '../../shared/errors.js'
import { type CheckoutData, checkoutData } from '../../shared/rules/checkout-outcome.js'
import type { ShopMetadata } from '../../shared/rules/shop-metadata.js'
import { isEnded, isInFlight } from '../../shared/rules/state-groups.js'
import type { OrderStatus } from '../../shared/rules/transitions.js'
import { isGone, whenGone } from '../../shared/runtime/client-gone.js'
import { type CheckoutRow, readCheckout } from '../../shared/statements/checkouts.js'
import { readOrderStatus } from '../../shared/statements/orders.js'
import type { Ingress } from '../ingress.js'
import { ownCheckout } from '../own-checkout.js'

const HEARTBEAT = 15 * SECOND
const LOOK_IN_FLIGHT = SECOND
const MAX_STREAM = 15 * MINUTE
/** Of one customer in one process: each holds a connection. */
const MAX_STREAMS = 10

/** How soon a browser connects again, to a process that stays: https://html.spec.whatwg.org/multipage/server-sent-events.html */
const COME_BACK = `retry: ${SECOND}\n\n`

interface StatusData extends CheckoutData, Pick<ProblemExtras, 'detail' | 'details'> {
  orderStatus?: OrderStatus
  metadata: ShopMetadata
  error?: string
}

/**
 * GET /api/stripe/checkout/:id gives the status, GET …/events streams it as server-sent events; for the owner only, by the
 * checkout's id or that of its Session.
 */
export function checkoutStatusRoutes(ingress: Ingress): Router {
  const router = Router()
  const streams = new Map<string, number>()

  router.get('/api/stripe/checkout/:id', async (request, response) => {
    const checkout = await ownCheckout(ingress, request, response)
    response.setHeader('Cache-Control', 'no-store')
    response.json({ success: true, data: await statusData(ingress, checkout) })
  })

  router.get('/api/stripe/checkout/:id/events', async (request, response) => {
    const { id, userId } = await ownCheckout(ingress, request, response)
    if (isGone(response)) return
    const count = (streams.get(userId) ?? 0) + 1
    if (count > MAX_STREAMS) {
      throw new Problem(
        'too_many_requests',
        { detail: `At most ${MAX_STREAMS} streams at once; close one, or ask for the status instead.` },
        { 'Retry-After': '5' }
      )
    }
    streams.set(userId, count)
    try {
      await streamStatus(ingress, response, id)
    } finally {
      const left = (streams.get(userId) ?? 1) - 1
      if (left === 0) streams.delete(userId)
      else streams.set(userId, left)
    }
  })

  return router
}

/** Writes each state of the checkout until it has an outcome, the time is up, or nobody listens any more. */
async function streamStatus(ingress: Ingress, response: Response, id: string): Promise<void> {
  const watch = ingress.watcher.watch(id)
  whenGone(response, () => watch.stop())
  const forget = ingress.drain.onBegin(() => watch.stop())
  try {
    response.writeHead(200, {
      'Content-Type': 'text/event-stream',
      'Cache-Control': 'no-store',
      'X-Accel-Buffering': 'no'
    })
    const end = performance.now() + MAX_STREAM
    let heartbeat = 0
    let seen = ''
    let last = ''
    while (!isGone(response) && performance.now() < end) {
      const checkout = await readCheckout(ingress.db.pool, id)
      if (checkout === undefined) break
      // Without notifications it is looked at more often than there is something to tell.
      const looks = JSON.stringify(checkout)
      if (looks !== seen || performance.now() >= heartbeat) {
        seen = looks
        const data = JSON.stringify(await statusData(ingress, checkout))
        if (data !== last || performance.now() >= heartbeat) {
          response.write(data === last ? ': still here\n\n' : `event: status\ndata: ${data}\n\n`)
          heartbeat = performance.now() + HEARTBEAT
        }
        last = data
      }
      if (isEnded(checkout.status)) break
      if (ingress.drain.hasBegun) {
        response.write(COME_BACK)
        break
      }
      const untilHeartbeat = Math.max(heartbeat - performance.now(), 1)
      // Nobody tells of a step that the workers go on from.
      await watch.changed(isInFlight(checkout.status) ? Math.min(LOOK_IN_FLIGHT, untilHeartbeat) : untilHeartbeat)
    }
    response.end()
  } finally {
    forget()
    watch.stop()
  }
}

export async function statusData(ingress: Ingress, checkout: CheckoutRow): Promise<StatusData> {
  const orderStatus = checkout.orderId === null ? undefined : await readOrderStatus(ingress.db, checkout.orderId)
  const data: StatusData = { ...checkoutData(checkout), metadata: checkout.metadata ?? {}, orderStatus }
  if (checkout.refusal === null) return data
  const { code, extras } = checkout.refusal
  return { ...data, error: problems[code].error, detail: extras.detail, details: extras.details }
}
