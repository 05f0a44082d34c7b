import { execFile } from 'node:child_process'
import { data, lineOf } from '../local/shopper.js'
import { alert } from '../shared/audit/alerts.js'
import { signTombstone } from '../shared/audit/tombstone.js'
import { DAY } from '../shared/duration.js'
import { findAuditProblems } from '../shared/statements/audit-trail.js'
import { countRows, headOf, olderThan, writeChain } from './support/audit-chain.js'
import { asOwner, openShop, type Shop } from './support/shop.js'

let shop: Shop
beforeAll(async () => {
  shop = await openShop('postgres', { RECONCILE_CRON: '0 0 1 1 *', RETENTION_CRON: '0 0 1 1 *' })
})
afterAll(() => shop.close())

const pool = () => shop.stack.services.db.pool
const prisma = () => shop.stack.services.db.prisma

describe('an application that lies', () => {
  const remove = async (chain: string, hash: string | null, olderThan: string | null) => {
    const signature = signTombstone({ chain, rows: 3, lastHash: hash ?? '' }, shop.stack.config)
    const { rows } = await pool().query('SELECT "audit_remove_chain"($1, $2, $3, $4) AS removed', [
      chain,
      hash,
      olderThan,
      signature
    ])
    return rows[0].removed
  }

  it('removes no chain that is younger than the policy of the database', async () => {
    await writeChain(shop, 'young')
    const { hash } = await headOf(shop, 'young')
    for (const claim of ['infinity', '2999-01-01', null]) expect(await remove('young', hash, claim)).toBe(false)
    expect(await remove('young', null, null)).toBe(false)
    await olderThan(shop, 364, 'young')
    expect(await remove('young', (await headOf(shop, 'young')).hash, 'infinity')).toBe(false)
    await olderThan(shop, 2, 'young')
    expect(await remove('young', null, null)).toBe(false)
    expect(await countRows(shop, 'young')).toBe(3)
    expect(await remove('young', (await headOf(shop, 'young')).hash, 'infinity')).toBe(true)
  })

  it('cannot change the policy', async () => {
    for (const statement of [
      'UPDATE "AuditPolicy" SET "chainDays" = 1',
      'DELETE FROM "AuditPolicy"',
      'INSERT INTO "AuditPolicy" ("id", "chainDays", "addressDays") VALUES (2, 1, 1)',
      'TRUNCATE "AuditPolicy"'
    ]) {
      await expect(pool().query(statement)).rejects.toThrow('permission denied')
    }
  })

  it('cannot say when a row was written, nor which number it has', async () => {
    for (const column of ['"createdAt"', '"id"', '"chain"', '"sequence"', '"hash"', '"personalSalt"']) {
      await expect(
        pool().query(`INSERT INTO "PaymentAuditLog" ("action", "status", ${column}) VALUES ('x', 'SUCCESS', DEFAULT)`)
      ).rejects.toThrow('permission denied')
    }
    await asOwner(
      shop,
      `INSERT INTO "PaymentAuditLog" ("action", "status", "orderId", "createdAt") VALUES ('x', 'SUCCESS', 'backdated', '2001-01-01')`
    )
    const row = await prisma().paymentAuditLog.findFirstOrThrow({ where: { orderId: 'backdated' } })
    expect(row.createdAt.getFullYear()).toBeGreaterThan(2001)
    expect(await findAuditProblems(pool())).toEqual([])
  })

  it('cannot fire the trigger of the trail from a table of its own', async () => {
    await writeChain(shop, 'elsewhere')
    const trap = `CREATE TEMP TABLE trap (LIKE "PaymentAuditLog"); CREATE TRIGGER t BEFORE INSERT ON trap FOR EACH ROW EXECUTE FUNCTION "audit_append"();
      INSERT INTO trap ("id", "action", "status", "orderId") VALUES (1, 'x', 'SUCCESS', 'elsewhere')`
    await expect(pool().query(trap)).rejects.toThrow('permission denied')
    await expect(asOwner(shop, trap)).rejects.toThrow('chains the audit trail alone')
    expect(await findAuditProblems(pool())).toEqual([])
  })

  it('leaves a trace when it forgets the addresses of a user', async () => {
    await writeChain(shop, 'tracked')
    await pool().query(`SELECT "audit_forget"('owner of tracked')`)
    const rows = await prisma().paymentAuditLog.findMany({
      where: { userId: 'owner of tracked' },
      orderBy: { id: 'asc' }
    })
    expect(rows.map(row => row.ipAddress)).toEqual([null, null, null, null])
    expect(rows.at(-1)).toMatchObject({
      action: 'addresses_forgotten',
      metadata: { rows: 3, login: expect.any(String) }
    })
  })

  it('forgets no address that is younger than the policy of the database', async () => {
    await writeChain(shop, 'fresh')
    await pool().query(`SELECT "audit_forget_before"('infinity', 1000), "audit_forget_before"(NULL, NULL)`)
    expect(await prisma().paymentAuditLog.count({ where: { orderId: 'fresh', ipAddress: null } })).toBe(0)
  })

  it('moves no bound by a time zone that it makes up, in which two weeks of the policy are none', async () => {
    await writeChain(shop, 'of another clock')
    await olderThan(shop, 80, 'of another clock')
    const today = Math.floor((Date.now() - Date.UTC(new Date().getUTCFullYear(), 0, 1)) / DAY)
    const around = [today - 20, today + 20].map(day => (day + 365) % 365).join(',')
    const client = await pool().connect()
    try {
      for (const zone of [`AAA-167BBB167,${around}`, `AAA167BBB-167,${around}`]) {
        await client.query(`SELECT set_config('TimeZone', $1, false)`, [zone])
        await client.query('SELECT "audit_forget_before"(NULL, NULL)')
      }
    } finally {
      client.release(true)
    }
    const forgotten = { orderId: 'of another clock', ipAddress: null }
    expect(await prisma().paymentAuditLog.count({ where: forgotten })).toBe(0)
  })

  it('meets in each function that runs as the owner settings of the database’s, and can call those alone that it needs', async () => {
    const { rows } = await pool().query(
      `SELECT p.proname AS name, p.proconfig AS settings, has_function_privilege('tillworks_app', p.oid, 'EXECUTE') AS may,
         EXISTS (SELECT FROM aclexplode(COALESCE(p.proacl, acldefault('f', p.proowner))) acl WHERE acl.grantee = 0) AS everybody
       FROM pg_proc p WHERE p.prosecdef AND p.pronamespace = 'public'::regnamespace ORDER BY 1`
    )
    const search = 'search_path=pg_catalog, pg_temp'
    // A new one belongs into docs/decisions/0015-the-database-decides-what-may-go.md: what if the caller lies?
    expect(rows).toEqual([
      { name: 'audit_append', settings: [search], may: false, everybody: false },
      { name: 'audit_forget', settings: [search], may: true, everybody: false },
      { name: 'audit_forget_before', settings: [search, 'TimeZone=UTC'], may: true, everybody: false },
      { name: 'audit_remove_chain', settings: [search, 'TimeZone=UTC'], may: true, everybody: false }
    ])
  })
})

describe('npm run db:migrate', () => {
  const migrate = (env: NodeJS.ProcessEnv) =>
    new Promise<{ code: number; output: string }>(resolve => {
      const all = { ...process.env, DATABASE_URL: shop.stack.config.database.url, NODE_OPTIONS: '', ...env }
      execFile(
        process.execPath,
        [`${process.env.TILLWORKS_TEST_BUILD}/prisma/deploy.js`],
        { env: all },
        (error, stdout, stderr) => {
          resolve({ code: error === null ? 0 : Number(error.code ?? 1), output: stdout + stderr })
        }
      )
    })

  it('sets the policy from the settings that it is given, and the trail tells it', async () => {
    expect(await migrate({ LOG_RETENTION_DAYS: '400' })).toMatchObject({
      code: 0,
      output: expect.stringContaining('at least 400 days, the addresses in it for 90')
    })
    expect(await migrate({})).toMatchObject({ code: 0, output: expect.stringContaining('at least 400 days') })
    const change = await prisma().paymentAuditLog.findFirstOrThrow({ where: { action: 'audit_policy_changed' } })
    expect(change.metadata).toMatchObject({ before: { chainDays: 365 }, after: { chainDays: 400, addressDays: 90 } })
    expect(await migrate({ LOG_RETENTION_DAYS: 'a year' })).toMatchObject({
      code: 1,
      output: expect.stringContaining('LOG_RETENTION_DAYS: expected a whole number')
    })
    await migrate({ LOG_RETENTION_DAYS: '365' })
  })
})

it('is written by a purchase as before', async () => {
  const ada = await shop.customer('ada')
  const checkout = data(await ada.checkout({ items: [lineOf(await ada.product('stoneware-mug'), 1)] }))
  await ada.pay(checkout.url ?? '')
  await ada.orderBecomes(checkout.orderId ?? '', 'PAID')
  await alert(pool(), shop.stack.services.log, 'stuck_checkout', { reason: 'test' })
  expect(await findAuditProblems(pool())).toEqual([])
})
