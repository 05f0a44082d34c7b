import express, { type RequestHandler, Router } from 'express'
import { SECOND } from '../../shared/duration.js'
import { Problem } from '../../shared/errors.js'
import { countDelivery, type DeliveryOutcome } from '../../shared/metrics/deliveries.js'
import { waitsWith } from '../../shared/rules/applied-together.js'
import { elsewhere } from '../../shared/rules/event-origin.js'
import { PINNED_API_VERSION } from '../../shared/runtime/stripe-version.js'
import type { NewWebhookEvent } from '../../shared/statements/webhook-events.js'
import { throwFailure } from '../failed-delivery.js'
import type { Delivery, Ingress, Receive } from '../ingress.js'
import { type RefusedSignatures, watchRefusedSignatures } from '../refused-signatures.js'
import { requestId } from '../request-context.js'
import { type SignatureFault, verifySignature } from '../webhook-signature.js'

export const WEBHOOK_PATH = '/api/stripe/webhook'
export const BODY_LIMIT = 1024 * 1024
/** Past the year 5000. */
const LATEST = 1e14

/** Checks the signature of a delivery and stores its event. */
export function createReceiver(ingress: Omit<Ingress, 'receive'>): Receive {
  const signatures = watchRefusedSignatures(ingress)
  return async delivery => {
    const payload = verify(ingress, signatures, delivery)
    const event = readCounted(ingress, payload, delivery.requestId)
    const isNew = await ingress.storeEvent(event)
    countDelivery(isNew ? 'stored' : 'duplicate')
    return { event, isNew }
  }
}

export function acknowledgement(isNew: boolean) {
  return isNew ? { received: true } : { received: true, duplicate: true }
}

/** After the answer: the event is durable, so a queue store that is away costs time, not the event. */
export async function offerEvent({ queues }: Ingress, event: NewWebhookEvent): Promise<void> {
  await queues.offerStored(event)
}

/** POST /api/stripe/webhook, of the deliveries that do not come by `api/plain-deliveries.ts`. */
export function webhookRoute(ingress: Ingress): Router {
  const readBody = express.raw({ type: () => true, limit: BODY_LIMIT, inflate: false })
  const handle: RequestHandler = async (request, response) => {
    const body = Buffer.isBuffer(request.body) ? request.body : Buffer.alloc(0)
    const signature = request.get('stripe-signature')
    const { event, isNew } = await ingress.receive({ requestId: requestId(request), body, signature })
    response.json(acknowledgement(isNew))
    if (isNew) await offerEvent(ingress, event)
  }
  return Router().post(WEBHOOK_PATH, throwFailure, readBody, handle)
}

/** As the metrics have it. */
const REFUSED: Record<SignatureFault['kind'], DeliveryOutcome> = {
  missing: 'unsigned',
  malformed: 'malformed',
  body: 'malformed',
  secret: 'wrong_secret',
  clock: 'wrong_clock'
}

function verify(
  ingress: Omit<Ingress, 'receive'>,
  signatures: RefusedSignatures,
  { requestId: id, body, signature }: Delivery
): string {
  const verified = verifySignature(body, signature, ingress.config.stripe.webhookSecrets, ingress.now())
  if (verified.valid) {
    signatures.accepted()
    return verified.payload
  }
  signatures.refused(verified)
  countDelivery(REFUSED[verified.kind])
  ingress.log.warn({ requestId: id, reason: verified.reason }, 'a delivery to the webhook endpoint was refused')
  throw new Problem('invalid_signature', { detail: `${verified.reason} Nothing was stored.` })
}

function readCounted(ingress: Omit<Ingress, 'receive'>, payload: string, id: string): NewWebhookEvent {
  try {
    return readEvent(ingress, payload, id)
  } catch (error) {
    countDelivery('not_an_event')
    throw error
  }
}

/** The envelope of an event; what is in it is the worker's business. https://docs.stripe.com/api/events/object */
function readEvent(ingress: Omit<Ingress, 'receive'>, payload: string, id: string): NewWebhookEvent {
  let event: Record<string, unknown>
  try {
    event = JSON.parse(payload)
  } catch {
    throw new Problem('invalid_event', { detail: 'The body is signed but it is not JSON.' })
  }
  const { id: eventId, type, created: at, api_version: apiVersion, livemode } = event ?? {}
  const isEvent = event?.object === 'event' || event?.object === 'v2.core.event'
  const created = timeOf(at)
  if (!isEvent || !isName(eventId) || !isType(type) || created === undefined) {
    throw new Problem('invalid_event', {
      detail: 'The body is signed but it is not an event with id, type and created.'
    })
  }
  // A platform's endpoint is sent both modes of its connected accounts: https://docs.stripe.com/connect/webhooks
  if (elsewhere(event) === undefined) checkMode(ingress, livemode === true)
  const version = isName(apiVersion) ? apiVersion : null
  if (version !== PINNED_API_VERSION) {
    ingress.log.info(
      { requestId: id, eventId, version },
      'an event of another API version than ours is stored as it is'
    )
  }
  return {
    id: eventId,
    type,
    apiVersion: version,
    livemode: livemode === true,
    created,
    payload,
    requestId: id,
    receivedAt: ingress.now(),
    paymentIntentId: waitsWith(type, (event.data as { object?: unknown } | null | undefined)?.object)
  }
}

function checkMode({ config }: Omit<Ingress, 'receive'>, livemode: boolean): void {
  if (livemode === config.stripe.livemode) return
  const [theirs, ours] = livemode ? ['live', 'test'] : ['test', 'live']
  throw new Problem('invalid_event', {
    detail: `This is an event of ${theirs} mode, and STRIPE_SECRET_KEY is of ${ours} mode. Give each mode its own endpoint and secret.`
  })
}

/** It becomes a job id, too: those have no colon and are not a number. */
function isName(value: unknown): value is string {
  return typeof value === 'string' && /^[\w.-]{1,255}$/.test(value) && !/^\d+$/.test(value)
}

/** That of a thin event can name a part of its object: v2.core.account[requirements].updated */
function isType(value: unknown): value is string {
  return typeof value === 'string' && /^[\w.[\]-]{1,255}$/.test(value)
}

/** Seconds; of a thin event a date and time. */
function timeOf(value: unknown): Date | undefined {
  const time =
    typeof value === 'string' ? Date.parse(value) : Number.isSafeInteger(value) ? Number(value) * SECOND : NaN
  return time >= 0 && time < LATEST ? new Date(time) : undefined
}
