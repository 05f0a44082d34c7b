import { z } from 'zod'

/** A currency that the shop sells in, in any case. */
export function soldCurrency(currencies: readonly string[]) {
  const message = `The shop sells in ${currencies.join(', ')}`
  return z
    .string(message)
    .transform(code => code.toUpperCase())
    .refine(code => currencies.includes(code), message)
}
