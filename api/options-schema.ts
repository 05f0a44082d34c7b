import { z } from 'zod'
import { normalForm } from '../shared/rules/same-text.js'

const MOST = 10

/** What a customer chose of a product; none is the same as nothing. `text` is how texts are checked. */
export function optionsSchema(text: () => z.ZodType<string, string>) {
  const name = text().refine(isLong(40), 'An option name must have 1 to 40 characters')
  const value = text().refine(isLong(100), 'An option value must have 1 to 100 characters')
  return (
    z
      .custom<object>()
      // A record leaves this one out. Whatever is wrong beside it has not been looked at, so that nothing may read on.
      .refine(options => !Object.hasOwn(Object(options), '__proto__'), { message: 'Invalid option name', abort: true })
      .pipe(z.record(z.string(), value, 'Options must be an object of names and texts'))
      .superRefine((options, context) => {
        for (const key of Object.keys(options)) {
          const [issue] = name.safeParse(key).error?.issues ?? []
          if (issue !== undefined) context.addIssue({ code: 'custom', message: issue.message })
        }
      })
      .refine(options => Object.keys(options).length <= MOST, `At most ${MOST} options`)
      .refine(
        options => new Set(Object.keys(options).map(normalForm)).size === Object.keys(options).length,
        'Option named twice'
      )
      .transform(options => (Object.keys(options).length === 0 ? undefined : options))
      .meta({
        type: 'object',
        maxProperties: MOST,
        additionalProperties: { type: 'string', minLength: 1, maxLength: 100 }
      })
      .optional()
  )
}

/** As people see it: invisible characters are none. */
function isLong(most: number) {
  return (text: string) => normalForm(text).length > 0 && text.length <= most
}
