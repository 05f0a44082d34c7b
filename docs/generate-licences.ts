// npm run docs:licences: writes docs/licences.md, the licence of each package that production installs.
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { projectRoot } from '../shared/project-root.js'

interface LockedPackage {
  version?: string
  license?: string
  dev?: boolean
  devOptional?: boolean
}

/** All of them may be used by a program under MIT, and shipped with it. */
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

const lock: { packages: Record<string, LockedPackage> } = JSON.parse(
  readFileSync(join(projectRoot, 'package-lock.json'), 'utf8')
)
const found = new Map<string, string>()
for (const [path, { dev, devOptional, license, version }] of Object.entries(lock.packages)) {
  if (!path.includes('node_modules/') || dev || devOptional || version === undefined) continue
  found.set(path.replace(/^.*node_modules\//, ''), license ?? installedLicence(path))
}
const lines = [...found].sort(([a], [b]) => (a < b ? -1 : 1))
const strange = lines.filter(([, licence]) => !licence.split(/ OR |[()]/).some(each => ALLOWED.includes(each.trim())))
writeFileSync(
  join(projectRoot, 'docs/licences.md'),
  [
    '# Licences',
    '',
    `The ${lines.length} packages that \`npm ci --omit=dev\` installs, by the lock file. Made by \`npm run docs:licences\`, which fails on a licence that is not known`,
    'to be compatible.',
    '',
    '| package | licence |',
    '| --- | --- |',
    ...lines.map(([name, licence]) => `| ${name} | ${licence} |`),
    ''
  ].join('\n')
)
for (const [name, licence] of strange) process.stderr.write(`${name}: ${licence} is not in the list of licences\n`)
process.exitCode = strange.length > 0 ? 1 : 0

/** For the few packages whose licence the lock file does not tell. */
function installedLicence(path: string): string {
  const { license, licenses } = JSON.parse(readFileSync(join(projectRoot, path, 'package.json'), 'utf8'))
  const named = license ?? licenses?.[0]
  return typeof named === 'string' ? named : (named?.type ?? 'unknown')
}
