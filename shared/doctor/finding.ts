/**
 * What a look has found. `must`: the shop cannot go live so. `should`: it can, with what the text says. `unseen`: it could
 * not be looked at, for a reason that another finding names.
 */
export type FindingState = 'fine' | 'should' | 'must' | 'unseen'

export interface Finding {
  state: FindingState
  /** What is there; for all but `fine` also what to do. */
  text: string
}

export function fine(text: string): Finding {
  return { state: 'fine', text }
}

export function should(text: string): Finding {
  return { state: 'should', text }
}

export function must(text: string): Finding {
  return { state: 'must', text }
}

/** Something that others look at is away, and they say so: there is nothing to add. */
export class Unseen extends Error {
  override readonly name = 'Unseen'
}
