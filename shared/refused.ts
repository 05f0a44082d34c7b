/** Why an operator's request is refused, with the HTTP status that says so. */
export const refusals = {
  /** The input names too little, or more than there is. */
  unclear_input: 400,
  /** The input has a form that nothing has. */
  invalid_input: 400,
  unreadable_file: 400,
  order_not_found: 404,
  checkout_not_found: 404,
  event_not_found: 404,
  notification_not_found: 404,
  alert_not_found: 404,
  product_not_found: 404,
  customer_not_found: 404,
  runbook_not_found: 404,
  entry_not_found: 404,
  /** It was done otherwise, or by somebody else, since it was looked at. */
  changed_meanwhile: 409,
  customer_was_faster: 409,
  nothing_in_review: 409,
  payment_in_review: 409,
  another_payment_counts: 409,
  payment_disputed: 409,
  payment_known_at_stripe: 409,
  not_paid: 409,
  not_capturable: 409,
  not_cancellable: 409,
  not_expirable: 409,
  event_not_dead: 409,
  notification_waiting: 409,
  nothing_captured: 409,
  nothing_left: 409,
  more_than_left: 409,
  goods_gone: 409,
  session_unknown_at_stripe: 409,
  session_known_at_stripe: 409,
  session_not_created_yet: 409,
  entry_exists: 409,
  entry_of_another_order: 409,
  entry_is_a_correction: 409,
  key_reused: 422,
  /** What was given of the catalogue cannot be taken as it is. */
  catalogue_refused: 422
} as const satisfies Record<string, number>

export type RefusalCode = keyof typeof refusals

/** What was asked for cannot be done; the message says why and what to do. Nothing was changed. */
export class Refused extends Error {
  override readonly name: string = 'Refused'
  constructor(
    readonly code: RefusalCode,
    message: string
  ) {
    super(message)
  }
}
