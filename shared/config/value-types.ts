import { isIP } from 'node:net'
import { z } from 'zod'
import { networkNames } from '../identity/networks.js'
import { isCronPattern } from '../queue/cron.js'
import { type Amounts, parseAmounts } from './amounts.js'

/** How the text of a variable is read; a required variable that is absent is `missing`. */
export interface ValueType<Value> {
  /** What it takes, in the words of its error and of docs/settings.md. */
  takes: string
  schema: z.ZodType<Value, string>
}

export const given = () => z.string('missing')

/** Any text for which `isRight` holds. */
export function text(takes: string, isRight: (text: string) => boolean = () => true): ValueType<string> {
  return { takes, schema: given().refine(isRight, `expected ${takes}`) }
}

export function choice<const Values extends readonly [string, ...string[]]>(values: Values): ValueType<Values[number]> {
  const takes = `${values.slice(0, -1).join(', ')} or ${values.at(-1)}`
  return { takes, schema: z.enum(values, `expected ${takes}`) }
}

/** A setting of which only one value works, and why. */
export function only(value: string, why: string): ValueType<string> {
  const shown = value === '' ? 'empty' : value
  return { takes: `only ${shown}`, schema: z.literal(value, `can only be ${shown}: ${why}`) }
}

const yesOrNo = choice(['true', 'false'])
export const flag: ValueType<boolean> = {
  takes: yesOrNo.takes,
  schema: yesOrNo.schema.transform(value => value === 'true')
}

export function integer(min: number, max: number): ValueType<number> {
  const { takes, schema } = text(
    `a whole number from ${min} to ${max}`,
    text => /^\d+$/.test(text) && Number(text) >= min && Number(text) <= max
  )
  return { takes, schema: schema.transform(Number) }
}

export const port = integer(0, 65_535)

const amountText = text(
  'an amount such as 0.50, or with others of some currencies: 0.50,CHF:0.60',
  text => parseAmounts(text) !== undefined
)
/** In major units, of the currencies that other settings say. */
export const amounts: ValueType<Amounts> = {
  takes: amountText.takes,
  schema: amountText.schema.transform(text => parseAmounts(text) ?? { of: {} })
}

/** As the queue reads it, which would refuse another one only once the workers start. */
export function cron(example: string): ValueType<string> {
  return text(`a cron pattern with a time that comes, such as ${example}`, isCronPattern)
}

export function url(example: string, protocols: string[]): ValueType<string> {
  return text(`a URL such as ${example}`, text => URL.canParse(text) && protocols.includes(new URL(text).protocol))
}

export function web(example: string): ValueType<string> {
  return url(example, ['http:', 'https:'])
}

/** Several with commas between them, for all of which `areRight` holds. */
export function list(takes: string, areRight: (parts: string[]) => boolean = () => true): ValueType<string[]> {
  return { takes, schema: given().transform(partsOf).refine(areRight, `expected ${takes}`) }
}

/** At least one, each of at least 32 characters. */
export function signingKeys(several: string): ValueType<string[]> {
  return list(
    `at least 32 characters, such as the output of: openssl rand -base64 33; several with commas${several}`,
    keys => keys.length > 0 && keys.every(key => key.length >= 32)
  )
}

export function partsOf(text: string): string[] {
  return text
    .split(',')
    .map(part => part.trim())
    .filter(part => part !== '')
}

export function headerName(example: string): ValueType<string> {
  return text(`the name of a header such as ${example}`, text => /^[A-Za-z][A-Za-z0-9-]*$/.test(text))
}

/** What withinNetworks() takes. */
export function isProxyNetwork(text: string): boolean {
  return networkNames.includes(text) || isNetwork(text)
}

function isNetwork(text: string): boolean {
  const [address = '', bits, ...rest] = text.split('/')
  const family = isIP(address)
  if (family === 0 || rest.length > 0) return false
  return (
    bits === undefined || (/^\d{1,3}$/.test(bits) && Number(bits) >= 1 && Number(bits) <= (family === 4 ? 32 : 128))
  )
}
