import { z } from 'zod'
import type { Group, Setting, ValuesOf } from './setting.js'

/** What the settings were read as, by variable. */
export type Parsed = Record<string, unknown>

/** Reads these settings, each by itself; `problems` says of each that is wrong what was expected. */
export function parse(settings: readonly Setting[], env: Record<string, string | undefined>) {
  const environment = z.object(Object.fromEntries(settings.map(({ variable, schema }) => [variable, schema])))
  const read = environment.safeParse(env)
  const problems = read.success ? [] : read.error.issues.map(issue => `${issue.path.join('.')}: ${issue.message}`)
  return { parsed: read.data as Parsed | undefined, problems }
}

/** The settings of a group, by the names that Config has for them. */
export function valuesOf<G extends Group>({ settings }: G, parsed: Parsed): ValuesOf<G> {
  // Each was read by its own schema.
  return Object.fromEntries(
    Object.entries(settings).map(([name, { variable }]) => [name, parsed[variable]])
  ) as ValuesOf<G>
}

/** A variable that is set to nothing counts as unset. */
export function withoutEmpty(env: NodeJS.ProcessEnv): Record<string, string | undefined> {
  return Object.fromEntries(Object.entries(env).filter(([, value]) => value !== undefined && value !== ''))
}
