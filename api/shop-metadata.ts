import { z } from 'zod'
import { isStorable } from '../shared/database/storable.js'
import { CARD_NUMBER, containsCardNumber } from '../shared/identity/card-numbers.js'
import type { ShopMetadata } from '../shared/rules/shop-metadata.js'

const MOST_KEYS = 20
const KEY = /^[A-Za-z0-9_.:-]{1,40}$/
const MOST_CHARACTERS = 500

/** What a shop keeps with an order or a checkout: texts by name, with a sentence for each that cannot be kept. */
export const shopMetadata = z
  .unknown()
  .transform((given, context): ShopMetadata => {
    const refuse = (message: string, path: string[] = []) =>
      context.issues.push({ code: 'custom', input: given, path, message })
    if (typeof given !== 'object' || given === null || Array.isArray(given)) {
      refuse('Metadata must be an object of texts')
      return z.NEVER
    }
    const entries = Object.entries(given)
    if (entries.length > MOST_KEYS) refuse(`Metadata can have at most ${MOST_KEYS} keys`)
    for (const [key, value] of entries.slice(0, MOST_KEYS)) {
      const problem = problemOf(key, value)
      if (problem !== undefined) refuse(problem, [key])
    }
    return Object.fromEntries(entries)
  })
  .meta({
    type: 'object',
    maxProperties: MOST_KEYS,
    propertyNames: { pattern: KEY.source },
    additionalProperties: { type: 'string', maxLength: MOST_CHARACTERS }
  })

function problemOf(key: string, value: unknown): string | undefined {
  // What JavaScript would take for something else than a name.
  if (!KEY.test(key) || key === '__proto__') return 'A key must have 1 to 40 letters, digits or _ . : -'
  if (typeof value !== 'string') return 'Must be a text'
  if (value.length > MOST_CHARACTERS) return `Must have at most ${MOST_CHARACTERS} characters`
  if (!isStorable(value)) return 'Invalid characters'
  return containsCardNumber(key) || containsCardNumber(value) ? CARD_NUMBER : undefined
}
