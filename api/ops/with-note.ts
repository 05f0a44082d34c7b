import { z } from 'zod'

/** Why an operator does something. */
export const withNote = z.strictObject({ note: z.string().min(3, 'Say why, in at least 3 characters').max(1_000) })
