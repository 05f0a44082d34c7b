import { z } from 'zod'
import { seededNumbers } from './seeded-numbers.js'

const rate = z.number().min(0).max(1)
/** In the order in which they are used up. */
const FAULTS = [
  'unauthorized',
  'forbidden',
  'refused',
  'emailRefused',
  'rateLimit',
  'serverError',
  'serverErrorAfterEffect',
  'dropResponse'
] as const

const count = z.number().int().min(0).max(1_000_000)

/** Faults on request; all off by default. Counts are used up by the next POST requests to the API. */
export const faultSettings = z.strictObject({
  /** Milliseconds that every API answer waits. */
  latencyMs: z.number().min(0).max(120_000).optional(),
  /** Milliseconds between the effect of a POST and its answer. */
  latencyAfterEffectMs: z.number().min(0).max(120_000).optional(),
  /** The next so many POSTs answer 401, as to a key that was rolled, without doing anything. */
  unauthorized: count.optional(),
  /** The next so many POSTs answer 403, as to a restricted key without the permission, without doing anything. */
  forbidden: count.optional(),
  /** The next so many POSTs answer 400, as to parameters that the account does not allow, without doing anything. */
  refused: count.optional(),
  /** What those say, in place of the usual sentence. */
  refusal: z.string().min(1).max(500).optional(),
  /** Their code, as that of an error of Stripe's: parameter_invalid_string. */
  refusalCode: z
    .string()
    .regex(/^[a-z_]+$/)
    .optional(),
  /** The next so many POSTs that name an e-mail, as `customer_email` or for the receipt, answer 400 without doing anything. */
  emailRefused: count.optional(),
  /** Every request answers so, until the key is mended. */
  refuseKey: z.union([z.literal(401), z.literal(403)]).optional(),
  /** The key is a restricted one that may do this alone, such as checkout_session_write or event_read. */
  permissions: z.array(z.string().regex(/^[a-z_]+_(read|write)$/)).optional(),
  /** A permission that the restricted key lacks, such as rak_charge_read: requests that need it answer 403. */
  lacks: z.string().optional(),
  /** The next so many POSTs answer 429 without doing anything. */
  rateLimit: count.optional(),
  /** The next so many POSTs answer 500 without doing anything. */
  serverError: count.optional(),
  /** The next so many POSTs are done, and answer 500. */
  serverErrorAfterEffect: count.optional(),
  /** The next so many POSTs are done, but their connection breaks before the answer. */
  dropResponse: count.optional(),
  /** What the next POSTs to /v1/refunds meet, one after another, before the counts; a lost answer, then a refusal. */
  refunds: z.array(z.enum(FAULTS)).max(1_000).optional(),
  /** Which share of events is never delivered. */
  dropDeliveries: rate.optional(),
  /** Which share of events is delivered twice, at the same time. */
  duplicateDeliveries: rate.optional(),
  /** Deliveries wait a random time up to this, in milliseconds, which also reorders them. */
  delayDeliveriesMs: z.number().min(0).max(3_600_000).optional()
})

export type FaultSettings = z.output<typeof faultSettings>

export interface DeliveryFaults {
  dropped(): boolean
  copies(): number
  delay(): number
}

export class Faults implements DeliveryFaults {
  readonly #random: () => number
  #settings: FaultSettings = {}

  /** The same seed makes the same faults. */
  constructor(seed: number) {
    this.#random = seededNumbers(seed)
  }

  set(settings: FaultSettings): void {
    this.#settings = { ...settings }
  }

  get(): FaultSettings {
    return { ...this.#settings }
  }

  get refuseKey(): 401 | 403 | undefined {
    return this.#settings.refuseKey
  }

  get refusal(): string {
    return this.#settings.refusal ?? 'Your account cannot currently make this request.'
  }

  get refusalCode(): string | undefined {
    return this.#settings.refusalCode
  }

  /** Undefined for a key that may do everything. */
  get permissions(): readonly string[] | undefined {
    return this.#settings.permissions
  }

  get lacks(): string | undefined {
    return this.#settings.lacks
  }

  get latencyMs(): number {
    return this.#settings.latencyMs ?? 0
  }

  get latencyAfterEffectMs(): number {
    return this.#settings.latencyAfterEffectMs ?? 0
  }

  /** The fault of a POST to this path, if any; each is used up once. */
  next(path: string): (typeof FAULTS)[number] | undefined {
    const [first, ...later] = this.#settings.refunds ?? []
    if (path === '/v1/refunds' && first !== undefined) {
      this.#settings.refunds = later
      return first
    }
    for (const fault of FAULTS) {
      const left = this.#settings[fault] ?? 0
      if (left > 0) {
        this.#settings[fault] = left - 1
        return fault
      }
    }
    return undefined
  }

  dropped(): boolean {
    return this.#random() < (this.#settings.dropDeliveries ?? 0)
  }

  copies(): number {
    return this.#random() < (this.#settings.duplicateDeliveries ?? 0) ? 2 : 1
  }

  delay(): number {
    return this.#random() * (this.#settings.delayDeliveriesMs ?? 0)
  }
}
