import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseSync } from '@swc/core'

const root = fileURLToPath(new URL('../..', import.meta.url))

export interface SourceNode {
  type: string
  [field: string]: unknown
}

/** Every file of these rooms, by its path from the root. */
export function sourcesIn(...rooms: string[]): { file: string; source: string }[] {
  return rooms
    .flatMap(room => readdirSync(join(root, room), { recursive: true, encoding: 'utf8' }).map(name => join(room, name)))
    .filter(name => /\.tsx?$/.test(name))
    .sort()
    .map(file => ({ file, source: readFileSync(join(root, file), 'utf8') }))
}

/** All nodes of a file's syntax tree; comments are none. */
export function nodesOf(source: string): SourceNode[] {
  const nodes: SourceNode[] = []
  const visit = (value: unknown): void => {
    if (Array.isArray(value)) return value.forEach(visit)
    if (typeof value !== 'object' || value === null) return
    if ('type' in value && typeof value.type === 'string') nodes.push(value as SourceNode)
    Object.values(value).forEach(visit)
  }
  visit(parse(source).body)
  return nodes
}

/** What is no TypeScript as it stands has elements in it. */
function parse(source: string) {
  const options = { syntax: 'typescript', target: 'es2023' } as const
  try {
    return parseSync(source, options)
  } catch {
    return parseSync(source, { ...options, tsx: true })
  }
}

/** The texts that a file's literals hold: strings whole, templates with … where they have an expression. */
export function textsOf(source: string): string[] {
  return nodesOf(source).flatMap(node => {
    if (node.type === 'StringLiteral') return [String(node.value)]
    if (node.type !== 'TemplateLiteral') return []
    return [(node.quasis as { raw: string }[]).map(quasi => quasi.raw).join('…')]
  })
}

/** Begins or holds a statement, or a condition on a column: PostgreSQL's words in capitals, columns in quotes. */
export function isSql(text: string): boolean {
  return /\b(SELECT|INSERT INTO|UPDATE|DELETE FROM|LISTEN|BEGIN|COMMIT|ROLLBACK|TRUNCATE|SET LOCAL)\b|"\w+" (=|<>|IN|NOT IN)/.test(
    text
  )
}
