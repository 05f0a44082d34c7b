import { type ProblemBody, type ProblemCode, type ProblemExtras, problemBody, problems } from '../errors.js'
import { isInFlight } from './state-groups.js'
import type { CheckoutStatus } from './transitions.js'

/** Why a checkout ended as REJECTED or FAILED, as it stands on its row. */
export interface Refusal {
  code: ProblemCode
  extras: ProblemExtras
}

/** What an answer is made of. */
export interface AnswerableCheckout {
  id: string
  orderId: string | null
  status: CheckoutStatus
  sessionId: string | null
  sessionUrl: string | null
  sessionExpiresAt: Date | null
  refusal: Refusal | null
  requestId: string
}

export interface CheckoutData {
  checkoutId: string
  orderId?: string
  status: CheckoutStatus
  sessionId?: string
  url?: string
  expiresAt?: string
}

export interface CheckoutOutcome {
  status: number
  body: { success: true; data: CheckoutData } | ProblemBody
}

/** The answer to the checkout request, as the row has it now: 202 while in flight, else 200 or a problem. */
export function checkoutOutcome(checkout: AnswerableCheckout): CheckoutOutcome {
  if (checkout.refusal !== null) {
    const { code, extras } = checkout.refusal
    const body = problemBody(code, { ...extras, checkoutId: checkout.id }, checkout.requestId)
    return { status: problems[code].status, body }
  }
  if (isInFlight(checkout.status)) {
    return { status: 202, body: { success: true, data: { checkoutId: checkout.id, status: checkout.status } } }
  }
  return { status: 200, body: { success: true, data: checkoutData(checkout) } }
}

/** `url` is only there while the customer can pay at it. */
export function checkoutData(checkout: AnswerableCheckout): CheckoutData {
  const open = checkout.status === 'OPEN'
  return {
    checkoutId: checkout.id,
    orderId: checkout.orderId ?? undefined,
    status: checkout.status,
    sessionId: checkout.sessionId ?? undefined,
    url: open ? (checkout.sessionUrl ?? undefined) : undefined,
    expiresAt: open ? checkout.sessionExpiresAt?.toISOString() : undefined
  }
}
