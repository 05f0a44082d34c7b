// What tells who somebody is has no business in texts that are kept for long or cannot be changed: the audit trail, alerts,
// errors on rows, log lines. Stripe's messages quote what they were sent, and people type what they please.
import { isIP, isIPv6 } from 'node:net'
import ipaddr from 'ipaddr.js'
import { maskCardNumbers } from './card-numbers.js'

/** The text without card numbers, e-mail addresses, telephone numbers, and IP addresses of the internet. */
export function maskText(text: string): string {
  return maskRest(maskEmails(text))
}

/** As maskValue(), for JSON as text, such as a log line. Most hold nothing that could be masked and stay as they are. */
export function maskJson(json: string): string {
  if (json.search(AT) === -1 && maskRest(json) === json) return json
  try {
    return JSON.stringify(masked(JSON.parse(json))) + (json.endsWith('\n') ? '\n' : '')
  } catch {
    return maskText(json)
  }
}

/** As maskText(), null and undefined as they are. */
export function maskOptional<T extends string | null | undefined>(text: T): T {
  return (typeof text === 'string' ? maskText(text) : text) as T
}

/** The text without what it quotes of `sent`, a JSON value about a person: names and postal addresses have no form of their own. */
export function maskQuoted(text: string, sent: unknown): string {
  const words = textsOf(sent).filter(word => word.trim().length >= SHORTEST_QUOTED)
  return words
    .sort((a, b) => b.length - a.length)
    .map(word => word.replace(/[.*+?^${}()|[\]\\]/g, '\\$&'))
    .reduce(
      (left, word) => left.replace(new RegExp(`(?<![\\p{L}\\p{N}])${word}(?![\\p{L}\\p{N}])`, 'giu'), PERSONAL),
      text
    )
}

/** Characters. What is shorter stands in every other sentence. */
const SHORTEST_QUOTED = 3

function textsOf(value: unknown): string[] {
  if (typeof value === 'string') return [value]
  return typeof value === 'object' && value !== null ? Object.values(value).flatMap(textsOf) : []
}

/** Who ran a command is what the audit trail is for, and may be an e-mail address. */
const OPERATOR_FIELDS = ['operator']

/** Fields of which every value is about a person, by the names that Stripe and we give them. */
export const PERSONAL_FIELDS = [
  'email',
  'customer_email',
  'receipt_email',
  'address',
  'phone',
  'contact',
  'customer_details',
  'billing_details',
  'shipping_details',
  'ip',
  'ipAddress'
]

/** Masks every text within a JSON value, and whole fields that are about a person. */
export function maskValue<T>(value: T): T {
  return masked(value) as T
}

function masked(value: unknown): unknown {
  if (typeof value === 'string') return maskText(value)
  if (typeof value === 'number') return maskCardNumbers(String(value)) === String(value) ? value : CARD
  if (Array.isArray(value)) return value.map(masked)
  if (typeof value !== 'object' || value === null || value instanceof Date) return value
  return Object.fromEntries(Object.entries(value).map(([name, inner]) => [maskText(name), maskedField(name, inner)]))
}

function maskedField(name: string, value: unknown): unknown {
  if (OPERATOR_FIELDS.includes(name)) return value
  if (PERSONAL_FIELDS.includes(name) && value !== null && value !== undefined) return PERSONAL
  return masked(value)
}

function maskRest(text: string): string {
  return maskNetworkAddresses(maskPhoneNumbers(maskCardNumbers(text)))
}

// ── E-mail addresses ─────────────────────────────────────────────────────────────────────────────────────────────────
// RFC 5321, section 4.1.2, and RFC 6531 for other scripts; in texts that are escaped for a URL, for JSON or for HTML, too.

const E_MAIL = '[e-mail]'
const CARD = '[card number]'
const PERSONAL = '[personal data]'
const AT = /@|\uFF20|%(?:25)*40|\\u0040|&#(?:64|x40);|&commat;/gi
const DOMAIN = /(?:[\p{L}\p{N}\p{M}_.-]|%(?:2[de]|5f|[89a-f][0-9a-f])|\\u(?!00[0-7])[0-9a-f]{4})+/iuy
const LITERAL = /(?:\[|%5b)[\w.:%-]{2,60}?(?:\]|%5d)/iy
/** What ends a local part that is not quoted. */
const STOP = /[\s"<>()[\],;:@\uFF20\p{Cc}]/u
const ENDS_QUOTED = /(?:"|%(?:25)*22)$/
/** How far away the quote that opens a local part is looked for: 64 characters, each of which may be escaped. */
const QUOTED_WITHIN = 256

/** From the right, so that the quotes of a local part are met before what stands between them. Linear in the length. */
function maskEmails(text: string): string {
  let rest = text
  const parts: string[] = []
  const matches = [...text.matchAll(AT)]
  for (let index = matches.length - 1; index >= 0; index--) {
    const match = matches[index] as RegExpExecArray
    const at = match.index
    if (at >= rest.length) continue
    const before = matches[index - 1]
    const afterLast = before === undefined ? 0 : before.index + before[0].length
    const end = endOfDomain(rest, at + match[0].length)
    const joined = end === at + match[0].length && end === rest.length && parts.length > 0
    const start = ENDS_QUOTED.test(rest.slice(Math.max(0, at - 8), at))
      ? startOfQuoted(rest, at)
      : startOfAtom(rest, at, afterLast)
    if (start === at || !(joined || isDomain(rest, start, at, rest.slice(at + match[0].length, end)))) continue
    parts.push(joined ? '' : rest.slice(end), E_MAIL)
    rest = rest.slice(0, start)
  }
  return parts.length === 0 ? text : rest + parts.reverse().join('')
}

function endOfDomain(text: string, from: number): number {
  LITERAL.lastIndex = from
  if (LITERAL.test(text)) return LITERAL.lastIndex
  DOMAIN.lastIndex = from
  if (!DOMAIN.test(text)) return from
  let end = DOMAIN.lastIndex
  while (end > from && '._-'.includes(text.charAt(end - 1))) end--
  return end
}

/** What follows an @ that is none of mail: tags of packages (node@latest), nicknames of schedules (@every). */
const NO_HOST =
  /^(?:latest|next|canary|alpha|beta|rc|stable|lts|legacy|nightly|every|hourly|daily|midnight|weekly|monthly|yearly|annually|reboot)$/i

/** A version (pg@8.23.1) and the folder of a package (node_modules/@prisma/client) are none. */
function isDomain(text: string, start: number, at: number, domain: string): boolean {
  if (/^(?:\[|%5b)/i.test(domain) || isIP(domain) === 4) return true
  const [last = '', ...before] = domain.split('.').reverse()
  if (last === '' || /^\d/.test(last)) return false
  return before.length > 0 || !(NO_HOST.test(last) || text.slice(start, at).endsWith('/'))
}

/**
 * An escaped line break ends a local part; an escaped letter is of it. So does the @ before, in whatever form: looking
 * further back from each of many would take time with the square of the length.
 */
function startOfAtom(text: string, at: number, afterLast: number): number {
  let start = at
  for (; start > afterLast; start--) {
    const before = text.charAt(start - 1)
    if (before !== '\\') {
      if (STOP.test(before)) break
      continue
    }
    const letter = /^u([0-9a-f]{4})/i.exec(text.slice(start, start + 5))?.[1]
    if (letter === undefined) return /[bfnrt/]/.test(text[start] ?? '') && start < at ? start + 1 : start
    if (STOP.test(String.fromCharCode(Number.parseInt(letter, 16)))) return start + 5
  }
  return start
}

/** The first quote within reach, whichever it is: there are few such addresses, and many ways to escape quotes. */
function startOfQuoted(text: string, at: number): number {
  const from = Math.max(0, at - QUOTED_WITHIN)
  const quote = text.slice(from, at - 1).search(/\\*"|%(?:25)*22(?!$)/)
  return quote === -1 ? at : from + quote
}

// ── Telephone numbers and IP addresses ───────────────────────────────────────────────────────────────────────────────

/** ITU-T E.164, at most 15 digits in groups, after a plus or the 00 that is dialled for it. */
const INTERNATIONAL = String.raw`(?:\+|%2B|00(?=[1-9]))\d(?:[ ().\/\u00a0\u202f-]{0,2}\d){7,14}`
/** The usual groups of North America, France, Switzerland and Belgium; and ten digits, as they are typed into forms. */
const NATIONAL = [
  String.raw`\(\d{3}\) ?\d{3}[-. ]\d{4}`,
  String.raw`\d{3}[-.]\d{3}[-.]\d{4}`,
  // Each group beginning with a zero, they count something: 01-02-03-04-05.
  String.raw`(?!0\d(?:[.-]0\d){4})0[1-9](?:[ .\u00a0\u202f-]\d\d){4}`,
  String.raw`0[1-9]\d[ /.-]\d{3}[ .-]\d\d[ .-]\d\d`,
  String.raw`0[1-9]\d\d[ /.](?:\d\d[ .]\d\d[ .]\d\d|\d{3}[ .]\d{3})`,
  String.raw`0[1-9][ /](?:\d{3}[ .]\d\d[ .]\d\d|\d{7})`,
  String.raw`0[1-9]\d[ /]\d\d[ .]\d\d[ .]\d\d`,
  String.raw`0[1-9]\d{2}[ /]\d{6}`,
  String.raw`0[1-9]\d{8}`
]
const PHONE = new RegExp(String.raw`(?<![\w.+%-])(?:${[INTERNATIONAL, ...NATIONAL].join('|')})(?![\w-])`, 'gi')

function maskPhoneNumbers(text: string): string {
  return text.replace(PHONE, (found: string, at: number) =>
    isTooShort(found) || isAmount(found, text.slice(at + found.length, at + found.length + 5))
      ? found
      : '[phone number]'
  )
}

/** Without groups, eight digits after a plus are some number, and so are ten that begin with 00. */
function isTooShort(found: string): boolean {
  return /^(?:\+\d{1,8}|00\d{1,8})$/.test(found)
}

const CURRENCIES = new Set(Intl.supportedValuesOf('currency'))

/** A plus, up to ten digits, whole or in thousands, and a currency after them. */
function isAmount(found: string, after: string): boolean {
  if (!/^\+(?:\d{1,10}|\d{1,3}(?:[ .\u00a0\u202f]\d{3}){1,3})(?:\.\d\d)?$/.test(found)) return false
  const [, word = ''] = /^[ \u00a0\u202f]?([a-z]{3})(?![\w-])/i.exec(after) ?? []
  return CURRENCIES.has(word.toUpperCase())
}

const IPV4 = /(?<![\w.-])(?:\d{1,3}\.){3}\d{1,3}(?![\w-]|\.\d)/g
/** Global unicast addresses are those of 2000::/3: https://www.iana.org/assignments/ipv6-address-space */
const IPV6 = /(?<![\w.-])[23][0-9a-f]{3}:(?:[0-9a-f]{0,4}:){1,6}[0-9a-f]{0,4}(?!\w)/gi
/** The groups of an address that stand before another one of its groups. */
const GROUPS_BEFORE = /(?<![\w.-])[0-9a-f]{0,4}:[0-9a-f:]{0,35}$/i

/** Networks of which nobody is a customer; which of one's own servers did not answer is worth knowing. */
const OWN_RANGES = ['private', 'uniqueLocal', 'loopback', 'linkLocal', 'unspecified', 'broadcast']

function maskNetworkAddresses(text: string): string {
  return text
    .replace(IPV4, (found: string, at: number) => (isCustomers(found) && !isVersion(text, found, at) ? IP : found))
    .replace(IPV6, (found: string, at: number, whole: string) => {
      const before = GROUPS_BEFORE.exec(whole.slice(Math.max(0, at - 40), at))?.[0]
      // What stands after a word and a colon, as in "ip:2001:db8::1", or before one, is an address; a part of another one is not.
      if (before !== undefined && isIPv6(before + found) && isOwn(before + found)) return found
      if (isIPv6(found)) return IP
      return found.endsWith(':') && isIPv6(found.slice(0, -1)) ? `${IP}:` : found
    })
}

function isCustomers(address: string): boolean {
  return isIP(address) === 4 && !isOwn(address)
}

function isOwn(address: string): boolean {
  return OWN_RANGES.includes(ipaddr.parse(address).range())
}

/** Browsers tell no more of their version than its first number, after their name: Chrome/120.0.0.0. */
function isVersion(text: string, found: string, at: number): boolean {
  return found.endsWith('.0.0') && /(?<![\w/.-])[A-Z][A-Za-z]{0,30}\/$/.test(text.slice(Math.max(0, at - 40), at))
}

const IP = '[IP address]'
