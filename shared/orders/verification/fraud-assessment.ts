import type { Client } from '../../database/database.js'
import { countFraudDecision } from '../../metrics/checkouts.js'
import { decideFraud, type FraudDecision, type FraudSignals } from '../../rules/fraud.js'
import type { Services } from '../../runtime/services.js'
import type { CheckoutRow } from '../../statements/checkouts.js'
import { readFraudSignals } from '../../statements/fraud.js'
import { readCountry } from '../../statements/orders.js'

/** What the fraud rules say of a checkout, counted in the metrics. */
export async function assessFraud(services: Services, client: Client, checkout: CheckoutRow): Promise<FraudDecision> {
  const { fraud } = services.config
  if (!fraud.enabled) return { decision: 'allow', reasons: [] }
  const { userId, network, id } = checkout
  const subject = { userId, network, exceptId: id }
  const signals = await readFraudSignals(client, subject, fraud, services.now())
  const countries = await countriesOf(services, client, checkout)
  const decided = decideFraud({ ...signals, countries }, fraud)
  countFraudDecision(decided)
  return decided
}

/** Where the request came from and where its order goes; undefined unless both are known and are to be compared. */
async function countriesOf(
  { countryOf }: Services,
  client: Client,
  checkout: CheckoutRow
): Promise<FraudSignals['countries']> {
  if (countryOf === undefined || checkout.ipAddress === null || checkout.cart.orderId === undefined) return undefined
  const request = countryOf(checkout.ipAddress)
  const order = await readCountry(client, checkout.cart.orderId)
  return request === undefined || order === undefined ? undefined : { request, order }
}
