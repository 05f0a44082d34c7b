// No test that runs: npm run typecheck fails when a union of states is not what the schema's enum is.
import type * as Database from '../prisma/generated/enums.js'
import type { LedgerAccount } from '../shared/rules/ledger-entries.js'
import type * as Rules from '../shared/rules/transitions.js'

type IsSame<A, B> = [A] extends [B] ? ([B] extends [A] ? true : [missing: Exclude<B, A>]) : [unknown: Exclude<A, B>]

export const unionsAreTheEnums: {
  checkout: IsSame<Rules.CheckoutStatus, Database.CheckoutStatus>
  order: IsSame<Rules.OrderStatus, Database.OrderStatus>
  payment: IsSame<Rules.PaymentStatus, Database.PaymentStatus>
  refund: IsSame<Rules.RefundStatus, Database.RefundStatus>
  reservation: IsSame<Rules.ReservationStatus, Database.ReservationStatus>
  webhookEvent: IsSame<Rules.WebhookEventStatus, Database.WebhookEventStatus>
  notification: IsSame<Rules.NotificationStatus, Database.NotificationStatus>
  ledgerAccount: IsSame<LedgerAccount, Database.LedgerAccount>
} = {
  checkout: true,
  order: true,
  payment: true,
  refund: true,
  reservation: true,
  webhookEvent: true,
  notification: true,
  ledgerAccount: true
}
