import type { Tillworks } from './connection.js'
import type { components, paths } from './generated/api.js'
import { watch } from './watch.js'

export type Checkout = components['schemas']['Checkout']
type Responses = paths['/api/stripe/checkout']['post']['responses']
type ProblemOf<R> = R extends { content: { 'application/problem+json': infer P } } ? P : never

/** Every problem that a checkout can be answered with: tell them apart by `type`. */
export type CheckoutProblem =
  | { [Status in keyof Responses]: ProblemOf<Responses[Status]> }[keyof Responses]
  | EndedWithoutPage

/** A checkout that was refused after it was accepted; its state says why. */
export interface EndedWithoutPage {
  type: 'urn:tillworks:client:ended'
  status: number
  title: string
  checkoutId: string
  detail?: string
  details?: components['schemas']['CartError'][]
}

export type CheckoutResult = { ok: true; checkout: Checkout } | { ok: false; problem: CheckoutProblem }

/**
 * Posts a cart and resolves with the page to pay at (`checkout.url`), or with a problem. A 202 is followed until there is a page.
 * The same idempotency key makes a retry, also one after a lost answer, the same checkout.
 */
export async function checkout(
  tillworks: Tillworks,
  request: components['schemas']['CheckoutRequest'],
  options: { idempotencyKey?: string; signal?: AbortSignal } = {}
): Promise<CheckoutResult> {
  const { idempotencyKey = crypto.randomUUID(), signal } = options
  const { data, error } = await tillworks.api.POST('/api/stripe/checkout', {
    body: request,
    params: { header: { 'Idempotency-Key': idempotencyKey } },
    signal
  })
  if (error !== undefined) return { ok: false, problem: error }
  const { checkoutId, status } = data.data
  if (status !== 'RECEIVED' && status !== 'VERIFIED') return { ok: true, checkout: data.data }
  for await (const state of watch(tillworks, checkoutId, { signal })) {
    if (state.status === 'RECEIVED' || state.status === 'VERIFIED') continue
    if (state.status === 'OPEN' || state.status === 'PROCESSING' || state.status === 'PAID')
      return { ok: true, checkout: state }
    const { error: title = 'Checkout ended', detail, details } = state
    return {
      ok: false,
      problem: { type: 'urn:tillworks:client:ended', status: 409, title, checkoutId, detail, details }
    }
  }
  throw new Error(`The stream of checkout ${checkoutId} ended before there was a page.`)
}
