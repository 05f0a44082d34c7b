// npm run db:migration -- NAME      write the next migration from the schema (on a throw-away database)
// npm run db:drift                  fail when the migrations do not make what the schema says
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { messageOf } from '../shared/errors.js'
import { projectRoot } from '../shared/project-root.js'
import { lockingProblems } from './migration-rules.js'
import { missingMigration } from './schema-engine.js'

const [command, name] = process.argv.slice(2)

let code = 1
try {
  code = await run()
} catch (error) {
  say(`Failed: ${messageOf(error)}`)
}
// The engine leaves a timer behind that need not be waited for.
process.exit(code)

async function run(): Promise<number> {
  switch (command) {
    case 'create':
      return await create()
    case 'drift':
      return await drift()
    default:
      say('Usage: migrate.ts create NAME | drift')
      return 2
  }
}

async function create(): Promise<number> {
  if (!name || !/^[a-z0-9_]+$/.test(name)) {
    say('Give the migration a name of lower-case letters, digits and underscores: npm run db:migration -- add_refunds')
    return 2
  }
  const sql = await withThrowAwayDatabase(missingMigration)
  if (sql === '') {
    say('The migrations already make what the schema says.')
    return 0
  }
  const stamp = new Date().toISOString().replace(/\D/g, '').slice(0, 14)
  const folder = join(projectRoot, 'prisma/migrations', `${stamp}_${name}`)
  mkdirSync(folder)
  writeFileSync(join(folder, 'migration.sql'), `${sql}\n`)
  say(`Wrote ${folder}/migration.sql. Read it before you commit it.`)
  for (const problem of lockingProblems(sql)) say(`Would hold back a live shop: ${problem}`)
  return 0
}

async function drift(): Promise<number> {
  const sql = await withThrowAwayDatabase(missingMigration)
  say(sql === '' ? 'No drift.' : `The schema says more than the migrations make. Missing:\n${sql}`)
  return sql === '' ? 0 : 1
}

async function withThrowAwayDatabase<T>(work: (url: string) => Promise<T>): Promise<T> {
  const { startThrowAwayPostgres } = await import('../local/throw-away-postgres.js')
  const server = await startThrowAwayPostgres()
  try {
    return await work(server.url('postgres'))
  } finally {
    await server.stop()
  }
}

function say(line: string): void {
  process.stdout.write(`${line}\n`)
}
