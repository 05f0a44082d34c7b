/** From how many on something is too much; each may be switched off as a whole (FRAUD_…, docs/settings.md). */
export interface FraudRules {
  enabled: boolean
  /** Whether the count of checkouts and of small carts says anything. */
  velocity: boolean
  challengeAttempts: number
  challengeSmallCarts: number
  challengeFailures: number
  blockDeclines: number
  blockDeclinesPerIp: number
  blockCards: number
  blockCardsPerIp: number
}

/** What a customer and an address did lately, since an operator last cleared them. */
export interface FraudSignals {
  /** Checkouts of the customer in ten minutes. */
  attempts: number
  /** Refused checkouts and declined cards of the customer in ten minutes. */
  failures: number
  /** Checkouts of the customer in an hour for FRAUD_SMALL_CART_AMOUNT or less. */
  smallCarts: number
  /** Declines in an hour, of the customer and of the address. */
  declines: number
  declinesOfAddress: number
  /** Different cards that were declined in a day, of the customer and of the address. */
  cards: number
  cardsOfAddress: number
  /** Where the request came from and where the order goes, when both are known. */
  countries?: { request: string; order: string }
}

type Count = Exclude<keyof FraudSignals, 'countries'>

export interface FraudDecision {
  /** `challenge` lets the customer pay if their bank authenticates them (3D Secure). */
  decision: 'allow' | 'challenge' | 'block'
  reasons: string[]
}

/** The block limits that are passed, in words, by whose they are. */
export interface PassedLimits {
  customer: string[]
  network: string[]
}

/** The limits after which nothing goes any more. */
export function passedLimits(signals: FraudSignals, rules: FraudRules): PassedLimits {
  return {
    customer: [
      ...over(signals, 'declines', rules.blockDeclines, 'declines of the customer in an hour'),
      ...over(signals, 'cards', rules.blockCards, 'different declined cards of the customer in a day')
    ],
    network: [
      ...over(signals, 'declinesOfAddress', rules.blockDeclinesPerIp, 'declines of the address in an hour'),
      ...over(signals, 'cardsOfAddress', rules.blockCardsPerIp, 'different declined cards of the address in a day')
    ]
  }
}

function over(signals: FraudSignals, what: Count, limit: number, words: string): string[] {
  return signals[what] > limit ? [`${signals[what]} ${words}, more than ${limit}`] : []
}

/**
 * Decides about a checkout. Card testers try many cards on small amounts; thieves try again after refusals
 * (https://docs.stripe.com/disputes/prevention/card-testing).
 */
export function decideFraud(signals: FraudSignals, rules: FraudRules): FraudDecision {
  if (!rules.enabled) return { decision: 'allow', reasons: [] }
  const passed = passedLimits(signals, rules)
  const block = [...passed.customer, ...passed.network]
  const velocity = rules.velocity
    ? [
        ...over(signals, 'attempts', rules.challengeAttempts, 'checkouts in ten minutes'),
        ...over(signals, 'smallCarts', rules.challengeSmallCarts, 'small carts in an hour')
      ]
    : []
  const challenge = [
    ...over(signals, 'failures', rules.challengeFailures, 'failures in ten minutes'),
    ...velocity,
    ...elsewhere(signals)
  ]
  if (block.length > 0) return { decision: 'block', reasons: [...block, ...challenge] }
  return { decision: challenge.length > 0 ? 'challenge' : 'allow', reasons: challenge }
}

function elsewhere({ countries }: FraudSignals): string[] {
  if (countries === undefined || countries.request === countries.order) return []
  return [`the order goes to ${countries.order} and was placed from ${countries.request}`]
}
