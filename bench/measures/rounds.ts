import { median, spread } from '../statistics.js'
import { MOST_SPREAD, type Plan, type Row } from './measure.js'

export interface Contestant {
  name: string
  /** One load, and what came of it. */
  run(seconds: number): Promise<Record<string, number>>
  /** Its rate is given, so that only its latencies can tell how far the rounds lie apart. */
  isPaced?: boolean
}

/** What Node has not compiled yet costs a process twice as much: with less, each round is faster than the one before. */
const WARM_UP_SECONDS = 12

/** After a warm-up, runs the contestants in turn, each round in the other direction, and gives the median of each column. */
export async function inRounds(contestants: Contestant[], plan: Plan): Promise<{ rows: Row[]; notes: string[] }> {
  const seen = new Map<string, Record<string, number>[]>(contestants.map(({ name }) => [name, []]))
  if (!plan.smoke) for (const { run } of contestants) await run(WARM_UP_SECONDS)
  for (let round = 0; round < plan.rounds; round++) {
    for (const { name, run } of round % 2 === 0 ? contestants : contestants.toReversed()) {
      const values = await run(plan.seconds)
      seen.get(name)?.push(values)
      plan.progress(`round ${round + 1} of ${plan.rounds}, ${name}: ${shown(values)}`)
    }
  }
  const rows = contestants.map(({ name }) => ({ name, values: medians(seen.get(name) ?? []) }))
  const ranges = contestants.filter(({ isPaced }) => isPaced).map(({ name }) => rangeOf(name, seen.get(name) ?? []))
  return { rows, notes: [...disagreements(seen), ...(plan.rounds > 1 ? ranges : [])] }
}

/** Of the medians. */
export function ratio(rows: Row[], name: string, to: string, column: string): number {
  const value = (of: string) => rows.find(row => row.name === of)?.values[column] ?? Number.NaN
  return value(name) / value(to)
}

function medians(rounds: Record<string, number>[]): Record<string, number> {
  const columns = Object.keys(rounds[0] ?? {})
  return Object.fromEntries(columns.map(column => [column, median(rounds.map(round => round[column] ?? Number.NaN))]))
}

function disagreements(seen: Map<string, Record<string, number>[]>): string[] {
  return [...seen].flatMap(([name, rounds]) => {
    const apart = spread(rounds.map(round => round.rate ?? Number.NaN))
    return apart > MOST_SPREAD ? [`the rounds of ${name} lie ${Math.round(apart * 100)} % apart`] : []
  })
}

function rangeOf(name: string, rounds: Record<string, number>[]): string {
  const [least = 0, most = 0] = [Math.min, Math.max].map(of => of(...rounds.map(({ p50Ms = Number.NaN }) => p50Ms)))
  return `the p50 of ${name}: ${least.toPrecision(3)} to ${most.toPrecision(3)} ms from round to round`
}

function shown(values: Record<string, number>): string {
  return Object.entries(values)
    .map(([column, value]) => `${column} ${value.toPrecision(3)}`)
    .join(', ')
}
