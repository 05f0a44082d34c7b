import { spawnSync } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { isSql, nodesOf, sourcesIn, textsOf } from './support/source-tree.js'

const root = fileURLToPath(new URL('..', import.meta.url))
const sources = sourcesIn('api', 'workers', 'ops', 'shared')

/** The states of the seven tables of transitions, and the three words of the audit trail. */
const statuses = readFileSync(join(root, 'prisma/schema.prisma'), 'utf8')
  .split(/^(?=enum )/m)
  .filter(text => /^enum \w+Status /.test(text))
  .flatMap(text => text.slice(0, text.indexOf('}')).match(/(?<=^ {2})[A-Z_]+/gm) ?? [])
const quotedStatus = new RegExp(`'(${[...new Set(statuses)].join('|')})'`, 'g')

/** States that stand quoted in a text: none but SQL's do. */
function namedStatuses(source: string): string[] {
  return textsOf(source).flatMap(text => text.match(quotedStatus) ?? [])
}

it('reads states out of statements, and out of nothing else', () => {
  expect(statuses).toEqual(expect.arrayContaining(['NEEDS_REVIEW', 'HELD', 'DEAD', 'DELIVERED', 'REFUSED', 'SUCCESS']))
  const statement = (from: string) => `await db.query(\`UPDATE "Order" SET "status" = \${to} WHERE "status" ${from}\`)`
  expect(namedStatuses(statement("= 'PAID'"))).toEqual(["'PAID'"])
  expect(namedStatuses(statement("IN ('PAID', 'DISPUTED')"))).toEqual(["'PAID'", "'DISPUTED'"])
  expect(namedStatuses(`const text = "SELECT FROM x WHERE s = 'HELD'"`)).toEqual(["'HELD'"])
  expect(namedStatuses(statement(`\${oneOf(orderStates.paid)}`))).toEqual([])
  expect(namedStatuses(`const audit = { status: 'FAILED', after: 'PAID' } // "status" = 'PAID'`)).toEqual([])
  expect(namedStatuses(`type End = 'PAID' | 'FAILED'; log.info(\`it is PAID, \${kind ? 'PAID' : ''}\`)`)).toEqual([])
})

it('has no statement that names a state: all come from the tables of shared/rules', () => {
  const named = sources.flatMap(({ file, source }) => namedStatuses(source).map(status => `${file}: ${status}`))
  expect(named).toEqual([])
})

it('hands the groups of shared/rules/state-groups.ts to statements, never a list of their own', () => {
  const isList = (argument: unknown) =>
    (argument as { expression: { type: string } }).expression.type === 'ArrayExpression'
  const own = sources.flatMap(({ file, source }) =>
    nodesOf(source)
      .filter(({ type, callee }) => {
        return type === 'CallExpression' && /^(oneOf|noneOf|quoted)$/.test(String((callee as { value?: string }).value))
      })
      .filter(call => (call.arguments as unknown[]).some(isList))
      .map(() => file)
  )
  expect(own).toEqual([])
})

/** What asks no table of ours: connections and transactions. Every other statement stands in shared/statements. */
const OF_NO_TABLE = {
  'api/proven-listener.ts': ['LISTEN …', 'SELECT pg_notify($1, $2)'],
  'shared/database/bounded-client.ts': ['SELECT 1'],
  'shared/database/database.ts': [
    'BEGIN',
    'BEGIN READ ONLY; SET LOCAL search_path = pg_catalog, pg_temp',
    'COMMIT',
    'ROLLBACK',
    'SELECT current_user AS role',
    'SET LOCAL lock_timeout = …',
    'SET LOCAL statement_timeout = …'
  ],
  'shared/database/replica.ts': [expect.stringMatching(/^SELECT pg_is_in_recovery\(\)(?!.*\bFROM ")/s)],
  'shared/database/scope.ts': ['SELECT …', 'SET LOCAL … = …']
}

it('has SQL in shared/statements alone, but for what is no table’s', () => {
  const sql = sources
    .filter(({ file }) => !file.startsWith('shared/statements/'))
    .map(({ file, source }) => [file, textsOf(source).filter(isSql).sort()] as const)
    .filter(([, texts]) => texts.length > 0)
  expect(Object.fromEntries(sql)).toEqual(OF_NO_TABLE)
})

const READS = ['findMany', 'findUnique', 'findUniqueOrThrow', 'findFirst', 'count', 'aggregate', 'groupBy']
const WRITES = ['create', 'createMany', 'update', 'updateMany', 'upsert', 'delete', 'deleteMany']
const RAW = ['$executeRaw', '$executeRawUnsafe', '$queryRaw', '$queryRawUnsafe', '$transaction']

const METHODS = [...READS, ...WRITES, 'createManyAndReturn', 'updateManyAndReturn']

/** Calls each method of Prisma, one a line. */
const CALLS = [
  ...METHODS.map(method => `await db.prisma.order.${method}({})`),
  ...RAW.map(method => `await db.prisma.${method}('')`)
].join('\n')

/** The methods that the lint lets a file of each of these rooms call. */
function allowedIn(...rooms: string[]): Record<string, string[]> {
  const folder = mkdtempSync(join(tmpdir(), 'lint-'))
  try {
    for (const name of ['biome.json', '.biome']) cpSync(join(root, name), join(folder, name), { recursive: true })
    for (const room of rooms) {
      mkdirSync(join(folder, room), { recursive: true })
      writeFileSync(join(folder, room, 'all.ts'), CALLS)
    }
    const biome = join(root, 'node_modules/.bin/biome')
    const run = spawnSync(biome, ['lint', '--reporter=github', '--max-diagnostics=none'], {
      cwd: folder,
      encoding: 'utf8'
    })
    const refusals = [...run.stdout.matchAll(/file=([^,]+)\/all\.ts,line=(\d+),.*Prisma/g)]
    const isRefused = (room: string, index: number) =>
      refusals.some(([, file, line]) => file?.endsWith(room) && Number(line) === index + 1)
    return Object.fromEntries(
      rooms.map(room => [room, [...METHODS, ...RAW].filter((_method, index) => !isRefused(room, index))])
    )
  } finally {
    rmSync(folder, { recursive: true })
  }
}

it('lets Prisma read in shared/statements, write nowhere, and be nowhere else (biome.json)', () => {
  const rooms = ['api', 'api/routes', 'workers', 'ops', 'shared', 'shared/orders', 'shared/runtime']
  expect(allowedIn(...rooms, 'shared/statements', 'demo')).toEqual({
    ...Object.fromEntries(rooms.map(room => [room, []])),
    'shared/statements': READS,
    demo: [...METHODS, ...RAW]
  })
})
