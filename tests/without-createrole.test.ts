import { randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { EmbeddedPostgres } from '../local/embedded-postgres.js'
import { startThrowAwayPostgres } from '../local/throw-away-postgres.js'
import { withoutRole } from '../prisma/app-role.js'
import { applyMigrations } from '../prisma/schema-engine.js'
import { connectBounded } from '../shared/database/bounded-client.js'
import { migrationNames, migrationsDir } from '../shared/database/migration-names.js'
import { databaseRole } from '../shared/doctor/checks/database-role.js'
import { buy } from './support/purchase.js'
import { administer, openShop, withShop } from './support/shop.js'

let server: EmbeddedPostgres
beforeAll(async () => {
  server = await startThrowAwayPostgres()
})
afterAll(() => server.stop())

/** A database of an owner that may make no roles, and nothing else: as shared servers and hosting panels give it. */
async function ownedDatabase(name: string): Promise<string> {
  const password = randomBytes(12).toString('hex')
  await administer(server.url('postgres'), `CREATE ROLE "${name}" LOGIN PASSWORD '${password}'`)
  await administer(server.url('postgres'), `CREATE DATABASE "${name}" OWNER "${name}"`)
  const url = new URL(server.url(name))
  Object.assign(url, { username: name, password })
  return url.href
}

async function rowsOf(url: string, statement: string): Promise<Record<string, unknown>[]> {
  const client = await connectBounded(url, 10_000)
  try {
    return (await client.query<Record<string, unknown>>(statement)).rows
  } finally {
    await client.end()
  }
}

const GIVEN = `SELECT FROM pg_class c, aclexplode(c.relacl) a JOIN pg_roles r ON r.oid = a.grantee WHERE r.rolname = 'tillworks_app'`

it('an owner without CREATEROLE is told what is missing before anything is changed', async () => {
  const url = await ownedDatabase('refused')
  await expect(applyMigrations(url)).rejects.toThrow(
    /login refused may not make the role tillworks_app.*DATABASE_ROLE=none/
  )
  expect(await rowsOf(url, `SELECT FROM pg_tables WHERE schemaname = 'public'`)).toEqual([])
})

it('with DATABASE_ROLE=none a shop of such an owner migrates, sells, and says what is lost', async () => {
  const url = await ownedDatabase('shop')
  await withShop(openShop('postgres', { DATABASE_ROLE: 'none' }, { database: () => url }), async shop => {
    const { services } = shop.stack
    const customer = await shop.customer('ada')
    const { url: page, orderId } = await buy(customer, 'stoneware-mug', 1)
    await customer.pay(page)
    await customer.orderBecomes(orderId, 'PAID')
    const found = await databaseRole.run({ config: services.config, database: async () => services.db.pool } as never)
    expect(found).toEqual([{ state: 'should', text: expect.stringMatching(/shop may do what only the owner should/) }])
  })
  expect(await rowsOf(url, `SELECT FROM pg_roles WHERE rolname = 'tillworks_app'`)).toEqual([])
  expect(await applyMigrations(url, { isRoleDispensable: true })).toEqual({ names: [], role: 'left out' })
})

it('a role that another installation on the server has is given nothing, and one that comes later neither', async () => {
  await administer(server.url('postgres'), 'CREATE ROLE tillworks_app NOLOGIN')
  const url = await ownedDatabase('neighbour')
  await expect(applyMigrations(url)).rejects.toThrow(/may not act as the role/)
  expect((await applyMigrations(url, { isRoleDispensable: true })).role).toBe('left out')
  expect(await rowsOf(url, GIVEN)).toEqual([])
  await administer(server.url('postgres'), 'GRANT tillworks_app TO neighbour')
  expect((await applyMigrations(url, { isRoleDispensable: true })).role).toBe('left out')
  await expect(applyMigrations(url)).rejects.toThrow(/migrated without the role/)
})

it('an owner that may act as the role gives it its rights, whatever DATABASE_ROLE says', async () => {
  const url = await ownedDatabase('member')
  await administer(server.url('postgres'), 'GRANT tillworks_app TO member')
  expect((await applyMigrations(url, { isRoleDispensable: true })).role).toBe('made')
  expect((await rowsOf(url, GIVEN)).length).toBeGreaterThan(0)
  expect(await applyMigrations(url)).toEqual({ names: [], role: 'made' })
})

it.each(migrationNames())('%s says of the role nothing but its rights', name => {
  const script = readFileSync(join(migrationsDir, name, 'migration.sql'), 'utf8')
  const left = withoutRole(script)
  expect(left.replace(/--.*/g, '')).not.toContain('tillworks_app')
  if (!script.includes('tillworks_app')) expect(left).toBe(script)
})
