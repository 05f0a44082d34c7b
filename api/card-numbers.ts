import { Problem } from '../shared/errors.js'
import { CARD_NUMBER, containsCardNumber } from '../shared/identity/card-numbers.js'
import type { CartItem } from '../shared/rules/cart.js'
import { looksEqual } from '../shared/rules/same-text.js'
import { readTexts } from '../shared/statements/products.js'
import type { Ingress } from './ingress.js'

const FIELDS = ['name', 'description', 'image'] as const

/**
 * Keeps card numbers out of what is stored: a Problem by path for each text of a cart that has one. The catalogue's own text
 * needs no filter: some article numbers are, by their digits, card numbers as well.
 */
export async function refuseCardNumbers({ db }: Ingress, items: CartItem[]): Promise<void> {
  const suspects = items.flatMap(({ productId, ...item }, index) =>
    FIELDS.flatMap(field => {
      const text = item[field]
      return text !== undefined && containsCardNumber(text) ? [{ productId, index, field, text }] : []
    })
  )
  if (suspects.length === 0) return
  const products = await readTexts(
    db.pool,
    suspects.map(({ productId }) => productId)
  )
  const refused = suspects.filter(
    ({ productId, field, text }) => !looksEqual(text, products.get(productId)?.[field] ?? '')
  )
  if (refused.length === 0) return
  throw new Problem('invalid_request', {
    detail: 'The request is not valid; see errors, by path.',
    errors: Object.fromEntries(refused.map(({ index, field }) => [`items.${index}.${field}`, CARD_NUMBER]))
  })
}
