import { type Mover, type Rule, sourcesOf } from '../rules/transitions.js'

// States that are looked for stand in the text of a statement and not among its parameters: the planner has to see which partial
// index fits.

/** What follows "status" where it is one of these. */
export function oneOf(states: readonly string[]): string {
  return states.length === 1 ? `= '${states[0]}'` : `IN (${quoted(states)})`
}

/**
 * As oneOf(), of a row that the statement finds by a key. It is compared as text, which no index of "status" fits: since few
 * rows were waiting when the planner last counted them, it would take that index for cheaper than the key's, and read all that
 * wait by now.
 */
export function isStill(states: readonly string[]): string {
  return `::text ${oneOf(states)}`
}

/** What follows "status" where it is none of these. */
export function noneOf(states: readonly string[]): string {
  return states.length === 1 ? `<> '${states[0]}'` : `NOT IN (${quoted(states)})`
}

/** A move to one state: `to` is what "status" is set to, `from` follows "status" in the WHERE of the compare-and-set. */
export function move<S extends string>(
  rules: readonly Rule<S>[],
  to: S,
  mover: Mover = {}
): { to: string; from: string } {
  return { to: `'${to}'`, from: isStill(sourcesOf(rules, to, mover)) }
}

/** States as values; of one state, what "status" is set to. */
export function quoted(states: readonly string[]): string {
  return states.map(state => `'${state}'`).join(', ')
}
