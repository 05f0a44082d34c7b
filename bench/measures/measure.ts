import type { Stores } from '../stores.js'

/** How a run was asked for. */
export interface Plan {
  rounds: number
  /** Of one load, without the warm-up. */
  seconds: number
  /** Folders of other builds, which are measured in the same run. */
  against: string[]
  /** So many events a grown database has. */
  grown: number
  /** Only to see that it runs: no warm-up, and the fewest processes. */
  smoke: boolean
  progress(line: string): void
}

/** One line of a table: what was measured, in the units of its columns. */
export interface Row {
  name: string
  values: Record<string, number>
}

export interface Report {
  /** Of medians, to the first of the contestants or to what the name says. */
  ratios: Record<string, number>
  rows: Row[]
  /** What the reader has to know: rounds that disagree, what was not measured. */
  notes: string[]
}

export type Measure = (stores: Stores, plan: Plan) => Promise<Report>

/** Above this the rounds disagree so much that their median tells nothing. */
export const MOST_SPREAD = 0.35
