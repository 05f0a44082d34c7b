import qs from 'qs'
import { invalidRequest, missing, notSimulated } from './errors.js'

type Raw = Record<string, unknown>

/** Reads form-encoded parameters the way Stripe does: typed from text, every unknown one refused. */
export class Params {
  readonly #raw: Raw
  readonly #prefix: string
  readonly #seen = new Set<string>()
  readonly #children: Params[] = []

  constructor(raw: Raw, prefix = '') {
    this.#raw = raw
    this.#prefix = prefix
  }

  static parse(text: string): Params {
    return new Params(qs.parse(text, { depth: 12, arrayLimit: 500, parameterLimit: 10_000 }) as Raw)
  }

  name(key: string): string {
    return this.#prefix === '' ? key : `${this.#prefix}[${key}]`
  }

  has(key: string): boolean {
    return this.#raw[key] !== undefined
  }

  string(key: string, limits: { max?: number; oneOf?: readonly string[] } = {}): string | undefined {
    const value = this.#take(key)
    if (value === undefined) return undefined
    const param = this.name(key)
    if (typeof value !== 'string') throw invalidRequest(`Invalid string: ${JSON.stringify(value)}`, { param })
    if (value.trim() === '') {
      throw invalidRequest(
        `You passed an empty string for '${param}'. We assume empty values are an attempt to unset a parameter; however '${param}' cannot be unset. You should remove '${param}' from your request or supply a non-empty value.`,
        { code: 'parameter_invalid_empty', param }
      )
    }
    if (limits.max !== undefined && value.length > limits.max) {
      throw invalidRequest(
        `Invalid string: ${value.slice(0, 10)}...${value.slice(-10)}; must be at most ${limits.max} characters`,
        { param }
      )
    }
    if (limits.oneOf !== undefined && !limits.oneOf.includes(value)) {
      const choices =
        limits.oneOf.length > 1
          ? `one of ${limits.oneOf.slice(0, -1).join(', ')}, or ${limits.oneOf.at(-1)}`
          : limits.oneOf[0]
      throw invalidRequest(`Invalid ${param}: must be ${choices}`, { param })
    }
    return value
  }

  requiredString(key: string, limits: { max?: number; oneOf?: readonly string[] } = {}): string {
    const value = this.string(key, limits)
    if (value === undefined) throw missing(this.name(key))
    return value
  }

  url(key: string): string | undefined {
    const value = this.string(key)
    if (value !== undefined) checkUrl(value, this.name(key), 5_000)
    return value
  }

  /** Addresses of images, which Stripe fetches. */
  images(key: string): string[] {
    const urls = this.strings(key, 8) ?? []
    for (const [index, url] of urls.entries()) checkUrl(url, `${this.name(key)}[${index}]`, 2_048)
    return urls
  }

  country(key: string): string | undefined {
    const code = this.string(key)
    if (code !== undefined) checkCountry(code, this.name(key))
    return code
  }

  countries(key: string): string[] {
    const codes = this.strings(key, 300) ?? []
    for (const code of codes) checkCountry(code, this.name(key))
    return codes
  }

  /** What follows the account's prefix: https://docs.stripe.com/get-started/account/statement-descriptors */
  descriptorSuffix(key: string): string | undefined {
    const value = this.string(key, { max: 22 })
    if (value === undefined) return undefined
    const param = this.name(key)
    if (!/[a-z]/i.test(value))
      throw invalidRequest('The statement descriptor must contain at least one alphabetic character.', { param })
    if (/[<>\\'"*]/.test(value) || /[^\x20-\x7e]/.test(value))
      throw invalidRequest(`The statement descriptor contains invalid characters: ${value}`, { param })
    return value
  }

  integer(key: string, limits: { min?: number; max?: number } = {}): number | undefined {
    const value = this.#take(key)
    if (value === undefined) return undefined
    const param = this.name(key)
    if (typeof value !== 'string' || !/^-?\d+$/.test(value) || !Number.isSafeInteger(Number(value))) {
      throw invalidRequest(`Invalid integer: ${typeof value === 'string' ? value : JSON.stringify(value)}`, {
        code: 'parameter_invalid_integer',
        param
      })
    }
    const number = Number(value)
    if (limits.min !== undefined && number < limits.min) {
      throw invalidRequest(`This value must be greater than or equal to ${limits.min}.`, {
        code: 'parameter_invalid_integer',
        param
      })
    }
    if (limits.max !== undefined && number > limits.max) {
      throw invalidRequest(`This value must be less than or equal to ${limits.max}.`, {
        code: 'parameter_invalid_integer',
        param
      })
    }
    return number
  }

  requiredInteger(key: string, limits: { min?: number; max?: number } = {}): number {
    const value = this.integer(key, limits)
    if (value === undefined) throw missing(this.name(key))
    return value
  }

  boolean(key: string): boolean | undefined {
    const value = this.#take(key)
    if (value === undefined) return undefined
    if (value === 'true' || value === 'false') return value === 'true'
    throw invalidRequest(`Invalid boolean: ${value}`, { param: this.name(key) })
  }

  hash(key: string): Params | undefined {
    const value = this.#take(key)
    if (value === undefined) return undefined
    if (typeof value !== 'object' || value === null) throw invalidRequest('Invalid object', { param: this.name(key) })
    return this.#child(value as Raw, this.name(key))
  }

  list(key: string, max: number): Params[] {
    const value = this.#take(key)
    if (value === undefined) return []
    if (typeof value !== 'object' || value === null) throw invalidRequest('Invalid array', { param: this.name(key) })
    const entries = Object.values(value)
    if (entries.length > max) throw invalidRequest(`Array may have at most ${max} elements.`, { param: this.name(key) })
    return entries.map((entry, index) => {
      const name = `${this.name(key)}[${index}]`
      if (typeof entry !== 'object' || entry === null) throw invalidRequest('Invalid object', { param: name })
      return this.#child(entry as Raw, name)
    })
  }

  strings(key: string, max = 100): string[] | undefined {
    const value = this.#take(key)
    if (value === undefined) return undefined
    const entries = typeof value === 'object' && value !== null ? Object.values(value) : [value]
    if (entries.length > max || entries.some(entry => typeof entry !== 'string'))
      throw invalidRequest('Invalid array', { param: this.name(key) })
    return entries as string[]
  }

  /** https://docs.stripe.com/api/metadata: 50 keys of 40 characters with values of 500. */
  metadata(key = 'metadata'): Record<string, string> {
    const value = this.#take(key)
    if (value === undefined || value === '') return {}
    const param = this.name(key)
    if (typeof value !== 'object' || value === null) throw invalidRequest('Invalid object', { param })
    const entries = Object.entries(value)
    if (entries.length > 50) throw invalidRequest('Metadata can have up to 50 keys.', { param })
    for (const [name, text] of entries) {
      if (typeof text !== 'string')
        throw invalidRequest(
          `Metadata values must be strings, but for key ${name} you passed in a value of type hash`,
          { param }
        )
      if (/[[\]]/.test(name))
        throw invalidRequest(`Metadata keys can't contain square brackets. Invalid key: ${name}`, { param })
      if (name.length > 40)
        throw invalidRequest(
          `Metadata keys can have up to 40 characters, but you passed in a key that is ${name.length} characters. Invalid key: ${name}`,
          { param }
        )
      if (text.length > 500)
        throw invalidRequest(
          `Metadata values can have up to 500 characters, but you passed in a value that is ${text.length} characters. Invalid value: ${text}`,
          { param }
        )
    }
    return Object.fromEntries(entries.filter(([, text]) => text !== '')) as Record<string, string>
  }

  /** created[gte] and friends, or one exact time. */
  range(key: string): ((value: number) => boolean) | undefined {
    if (typeof this.#raw[key] === 'string') {
      const exact = this.requiredInteger(key)
      return value => value === exact
    }
    const hash = this.hash(key)
    if (hash === undefined) return undefined
    const [gt, gte, lt, lte] = ['gt', 'gte', 'lt', 'lte'].map(bound => hash.integer(bound))
    return value =>
      (gt === undefined || value > gt) &&
      (gte === undefined || value >= gte) &&
      (lt === undefined || value < lt) &&
      (lte === undefined || value <= lte)
  }

  /** Parameters that Stripe has and this simulator does not: refused with that reason. */
  notSimulated(...keys: string[]): void {
    for (const key of keys) if (this.has(key)) throw notSimulated(this.name(key))
  }

  /** Refuses what nobody has read. Call it last. */
  finish(): void {
    const unknown = Object.keys(this.#raw).find(key => !this.#seen.has(key))
    if (unknown !== undefined) {
      const param = this.name(unknown)
      throw invalidRequest(`Received unknown parameter: ${param}`, { code: 'parameter_unknown', param })
    }
    for (const child of this.#children) child.finish()
  }

  #take(key: string): unknown {
    this.#seen.add(key)
    return this.#raw[key]
  }

  #child(raw: Raw, prefix: string): Params {
    const child = new Params(raw, prefix)
    this.#children.push(child)
    return child
  }
}

function checkUrl(value: string, param: string, most: number): void {
  if (value.length > most)
    throw invalidRequest(`Invalid URL: URL must be ${most} characters or less.`, { code: 'url_invalid', param })
  if (!/^https?:\/\/[\x21-\x7e]+$/.test(value) || !URL.canParse(value))
    throw invalidRequest('Not a valid URL', { code: 'url_invalid', param })
}

function checkCountry(code: string, param: string): void {
  if (!/^[A-Z]{2}$/.test(code))
    throw invalidRequest(`Country '${code}' is unknown. Try using a 2-character alphanumeric country code instead.`, {
      param
    })
}
