import { inCurrencies } from '../amounts.js'
import { type Group, optional, setting, type ValuesOf } from '../setting.js'
import { amounts, flag, integer, text } from '../value-types.js'

const count = integer(1, 100_000)

export const fraud = {
  title: 'Fraud',
  // At npm start one visitor plays many: the rules of a real shop would soon ask Ada's bank.
  settings: {
    enabled: setting('FRAUD_CHECK_ENABLED', flag, { default: 'true', doc: 'all rules of this table' }),
    velocity: setting('FRAUD_VELOCITY_CHECK', flag, {
      default: 'true',
      doc: 'the rules about the number of checkouts'
    }),
    maxAttempts: setting('FRAUD_MAX_ATTEMPTS_PER_HOUR', count, {
      default: '10',
      doc: 'checkouts of a customer in an hour; more are refused',
      npmStart: { value: '100' }
    }),
    challengeAttempts: setting('FRAUD_CHALLENGE_ATTEMPTS', count, {
      default: '5',
      doc: 'more checkouts by a customer in ten minutes, and the bank has to authenticate (3D Secure)',
      npmStart: { value: '30' }
    }),
    challengeFailures: setting('FRAUD_CHALLENGE_FAILURES', count, {
      default: '3',
      doc: 'more failures of a customer in ten minutes, and it has to, too',
      npmStart: { value: '15' }
    }),
    challengeSmallCarts: setting('FRAUD_CHALLENGE_SMALL_CARTS', count, {
      default: '5',
      doc: 'more small carts of a customer in an hour, and it has to, too'
    }),
    smallCartAmount: setting('FRAUD_SMALL_CART_AMOUNT', amounts, {
      default: '5',
      doc: 'a small cart is of at most this amount'
    }),
    blockDeclines: setting('FRAUD_BLOCK_DECLINES', count, {
      default: '10',
      doc: 'more declines of a customer in an hour: checkouts are refused, open ones expire; `ops fraud show` and `unblock`'
    }),
    blockDeclinesPerIp: setting('FRAUD_BLOCK_DECLINES_PER_IP', count, {
      default: '20',
      doc: 'more declines of an IP address in an hour: likewise'
    }),
    blockCards: setting('FRAUD_BLOCK_CARDS', count, {
      default: '5',
      doc: 'more different declined cards of a customer in a day: likewise'
    }),
    blockCardsPerIp: setting('FRAUD_BLOCK_CARDS_PER_IP', count, {
      default: '10',
      doc: 'more different declined cards of an IP address in a day: likewise'
    }),
    geolocation: setting('FRAUD_GEOLOCATION_CHECK', flag, {
      default: 'false',
      doc: '`true`: the bank authenticates when an order goes to another country than it was placed from'
    }),
    geoipDatabase: optional('GEOIP_DATABASE', text('a path'), {
      doc: 'the path of a country database (MMDB), for `FRAUD_GEOLOCATION_CHECK`'
    })
  }
} satisfies Group

export function readFraud(values: ValuesOf<typeof fraud>, currencies: readonly string[]) {
  const { maxAttempts, geolocation, geoipDatabase, ...rules } = values
  return {
    ...rules,
    smallCartAmount: inCurrencies(rules.smallCartAmount, currencies, fraud.settings.smallCartAmount.default),
    maxAttemptsPerHour: rules.enabled && rules.velocity ? maxAttempts : undefined,
    /** A country database to compare the address of an order with; undefined for no comparison. */
    countryDatabase: rules.enabled && geolocation ? geoipDatabase : undefined
  }
}
