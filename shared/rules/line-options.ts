import { normalForm } from './same-text.js'

/** What a customer chose of a product, such as {"Size": "M"}: names and values. */
export type LineOptions = Readonly<Record<string, string>>

/** Equal for options that look equal to a person, in any order. */
export function optionsKey(options: LineOptions | undefined): string {
  const pairs = Object.entries(options ?? {}).map(pair => pair.map(normalForm))
  return JSON.stringify(pairs.sort(([a = ''], [b = '']) => (a < b ? -1 : 1)))
}

/** "Engraving: Ada, Size: M", by name: a database keeps no order of them. */
export function optionsText(options: LineOptions): string {
  return Object.entries(options)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, value]) => `${name}: ${value}`)
    .join(', ')
}
