// npm run docs:licences: writes docs/licences.md, the licence of each package that production installs.
import { execFileSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { projectRoot } from '../shared/project-root.js'

interface Tree {
  dependencies?: Record<string, Tree & { version?: string; path?: string }>
}

/** All of them may be used and shipped with a program under MIT. */
const ALLOWED = [
  'MIT',
  'ISC',
  'Apache-2.0',
  'BSD-2-Clause',
  'BSD-3-Clause',
  '0BSD',
  'BlueOak-1.0.0',
  'Unlicense',
  'CC0-1.0'
]

const tree: Tree = JSON.parse(
  execFileSync('npm', ['ls', '--omit=dev', '--all', '--json', '--long'], { encoding: 'utf8', maxBuffer: 2 ** 28 })
)
const found = new Map<string, string>()
walk(tree)
const lines = [...found].sort(([a], [b]) => (a < b ? -1 : 1))
const strange = lines.filter(([, licence]) => !licence.split(/ OR |[()]/).some(each => ALLOWED.includes(each.trim())))
writeFileSync(
  join(projectRoot, 'docs/licences.md'),
  [
    '# Licences',
    '',
    `The ${lines.length} packages that \`npm ci --omit=dev\` installs. Made by \`npm run docs:licences\`, which fails on a licence that is not known to be compatible.`,
    '',
    '| package | licence |',
    '| --- | --- |',
    ...lines.map(([name, licence]) => `| ${name} | ${licence} |`),
    ''
  ].join('\n')
)
for (const [name, licence] of strange) process.stderr.write(`${name}: ${licence} is not in the list of licences\n`)
process.exitCode = strange.length > 0 ? 1 : 0

function walk(node: Tree): void {
  for (const [name, child] of Object.entries(node.dependencies ?? {})) {
    if (child.version !== undefined && child.path !== undefined && !found.has(name))
      found.set(name, licenceOf(child.path))
    walk(child)
  }
}

function licenceOf(path: string): string {
  const { license, licenses } = JSON.parse(readFileSync(join(path, 'package.json'), 'utf8'))
  const named = license ?? licenses?.[0]
  return typeof named === 'string' ? named : (named?.type ?? 'unknown')
}
