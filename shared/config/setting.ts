import type { z } from 'zod'
import type { ValueType } from './value-types.js'

/** One variable of the environment: all that the parser, docs/settings.md and .env.example have to know of it. */
export interface Setting<Value = unknown> {
  variable: string
  /** Reads the variable's text, or its absence. */
  schema: z.ZodType<Value>
  /** What it takes, in words. */
  takes: string
  /** Has to be set. */
  required: boolean
  /** As somebody would write it. */
  default?: string
  doc: string
  secret: boolean
  npmStart?: NpmStart
  example?: string
}

/** What `npm start` has instead of the default: the value that it sets, or in words what it makes of it. */
type NpmStart = { value: string } | string

interface Words {
  /** One line of Markdown for docs/settings.md. */
  doc: string
  /** Is never shown, and can come from a file that NAME_FILE names. */
  secret?: true
  npmStart?: NpmStart
  /** Puts it into .env.example, with this value. */
  example?: string
}

/** Settings by the name under which Config has them, and the title of their table in docs/settings.md. */
export interface Group {
  title: string
  settings: Record<string, Setting>
  /** Looked at when everything starts and then not needed, such as those of which only one value works. */
  checked?: Setting[]
}

/** What the settings of a group are read as. */
export type ValuesOf<G extends Group> = {
  [Name in keyof G['settings']]: G['settings'][Name] extends Setting<infer Value> ? Value : never
}

export function required<Value>(variable: string, type: ValueType<Value>, words: Words): Setting<Value> {
  return { ...words, ...naming(variable, type, words), required: true, schema: type.schema }
}

export function optional<Value>(variable: string, type: ValueType<Value>, words: Words): Setting<Value | undefined> {
  return { ...words, ...naming(variable, type, words), required: false, schema: type.schema.optional() }
}

/** A setting with a default, which is read as a text in the environment would be. */
export function setting<Value>(
  variable: string,
  type: ValueType<Value>,
  words: Words & { default: string }
): Setting<Value> & { default: string } {
  return { ...words, ...naming(variable, type, words), required: false, schema: type.schema.prefault(words.default) }
}

function naming(variable: string, type: ValueType<unknown>, words: Words) {
  return { variable, takes: type.takes, secret: words.secret === true }
}
