import { checkTombstone, signTombstone } from '../shared/audit/tombstone.js'
import { loadConfig } from '../shared/config/config.js'
import { createLogger } from '../shared/logger.js'
import { findAuditProblems } from '../shared/statements/audit-trail.js'
import { retention } from '../workers/retention.js'
import { ageTrail, countRows, olderThan, verify, writeChain } from './support/audit-chain.js'
import { runOps } from './support/ops.js'
import { asOwner, openShop, type Shop } from './support/shop.js'

let shop: Shop
beforeAll(async () => {
  shop = await openShop('postgres', { RECONCILE_CRON: '0 0 1 1 *', RETENTION_CRON: '0 0 1 1 *' })
})
afterAll(() => shop.close())

const pool = () => shop.stack.services.db.pool
const prisma = () => shop.stack.services.db.prisma
const JOB = { id: 'test', attempt: 1, isLastAttempt: true }

describe('retention', () => {
  const lines: string[] = []
  const log = createLogger({
    level: 'info',
    production: true,
    name: 'retention',
    destination: { write: line => lines.push(line) }
  })
  const run = (days: Partial<{ logDays: number; dataDays: number }> = {}) => {
    const { services } = shop.stack
    const retained = { ...services.config.retention, ...days }
    return retention.handle({ ...services, log, config: { ...services.config, retention: retained } }, {}, JOB)
  }

  it('takes addresses and browsers out of the trail after DATA_RETENTION_DAYS, and the trail stays sound', async () => {
    for (const [chain, days] of [
      ['ninety', 91],
      ['eighty', 89]
    ] as const) {
      await writeChain(shop, chain)
      await olderThan(shop, days, chain)
    }
    await run()
    const left = async (orderId: string) =>
      await prisma().paymentAuditLog.count({
        where: { orderId, OR: [{ ipAddress: { not: null } }, { userAgent: { not: null } }] }
      })
    expect([await left('ninety'), await left('eighty')]).toEqual([0, 3])
    expect(await findAuditProblems(pool())).toEqual([])
    await asOwner(
      shop,
      `SET session_replication_role = replica; UPDATE "PaymentAuditLog" SET "ipAddress" = '6.6.6.6' WHERE "orderId" = 'ninety' AND "sequence" = 2`
    )
    const [problem] = await findAuditProblems(pool(), 'ninety')
    expect(problem?.problem).toBe('the address or the browser was changed')
    await asOwner(
      shop,
      `SET session_replication_role = replica; UPDATE "PaymentAuditLog" SET "ipAddress" = NULL WHERE "orderId" = 'ninety'`
    )
  })

  it('removes what is old behind any number of chains that have to stay', async () => {
    await asOwner(
      shop,
      `INSERT INTO "PaymentAuditLog" ("action", "status", "orderId") SELECT 'x', 'SUCCESS', 'unsound ' || lpad(i::text, 4, '0') FROM generate_series(1, 700) i`
    )
    await writeChain(shop, 'unsound, and behind it')
    await ageTrail(shop, 366, `"chain" LIKE 'unsound%'`)
    await asOwner(
      shop,
      `SET session_replication_role = replica; UPDATE "PaymentAuditLog" SET "amount" = 1 WHERE "chain" LIKE 'unsound 0%';
       UPDATE "AuditChain" SET "updatedAt" = (SELECT min("updatedAt") FROM "AuditChain") WHERE "chain" LIKE 'unsound %'`
    )
    const failure = await run().then(
      () => '',
      error => String(error)
    )
    expect(await countRows(shop, 'unsound, and behind it')).toBe(0)
    expect(await prisma().paymentAuditLog.count({ where: { orderId: { startsWith: 'unsound ' } } })).toBe(700)
    expect(failure).toContain('chain unsound 0001: it is not sound and stays')
    expect(failure).toContain('and 680 more')
    expect(failure.length).toBeLessThan(5_000)
    await asOwner(
      shop,
      `SET session_replication_role = replica; UPDATE "PaymentAuditLog" SET "amount" = NULL WHERE "chain" LIKE 'unsound %'`
    )
    await run()
    expect(await prisma().paymentAuditLog.count({ where: { orderId: { startsWith: 'unsound ' } } })).toBe(0)
    await asOwner(shop, `DELETE FROM "AuditTombstone" WHERE "chain" LIKE 'unsound %'`)
  })

  it('says that a setting below the policy of the database has no effect, and keeps what the database keeps', async () => {
    await writeChain(shop, 'kept')
    await olderThan(shop, 200, 'kept')
    await run({ logDays: 100, dataDays: 40 })
    expect(await countRows(shop, 'kept')).toBe(3)
    expect(lines.join('')).toContain('LOG_RETENTION_DAYS is less than the database keeps the audit trail')
    expect(lines.join('')).toContain('DATA_RETENTION_DAYS is less than the database keeps addresses')
  })

  it('removes a chain that began again after its removal, and keeps a tombstone for each time', async () => {
    for (let time = 0; time < 3; time++) {
      await writeChain(shop, 'again', 1 + time)
      await olderThan(shop, 366, 'again')
      await run()
      expect(await countRows(shop, 'again')).toBe(0)
    }
    const tombstones = await prisma().auditTombstone.findMany({ where: { chain: 'again' }, orderBy: { rows: 'asc' } })
    expect(tombstones.map(each => each.rows)).toEqual([1, 2, 3])
    expect((await verify(shop, 1)).findings).toEqual([])
    await asOwner(shop, `UPDATE "AuditTombstone" SET "rows" = 9 WHERE "chain" = 'again' AND "rows" = 2`)
    expect((await verify(shop, 1)).findings).toEqual([expect.stringContaining('not signed')])
    await asOwner(shop, `UPDATE "AuditTombstone" SET "rows" = 2 WHERE "chain" = 'again' AND "rows" = 9`)
  })

  it('goes on after rows that cannot be forgotten, and fails at the end with what they were', async () => {
    await writeChain(shop, 'behind what fails')
    await olderThan(shop, 366, 'behind what fails')
    const tables = '"WebhookEvent", "PaymentSignal"'
    await asOwner(shop, `REVOKE UPDATE ON ${tables} FROM tillworks_app`)
    const failure = await run().then(
      () => '',
      error => String(error)
    )
    await asOwner(shop, `GRANT UPDATE ON ${tables} TO tillworks_app`)
    expect(failure).toMatch(/payloads of events: permission denied.*; signals: permission denied/)
    expect(await countRows(shop, 'behind what fails')).toBe(0)
  })

  it('goes on after a chain that fails, and fails at the end with what failed', async () => {
    for (const chain of ['a fails', 'b is not sound', 'c is good']) {
      await writeChain(shop, chain)
      await olderThan(shop, 366, chain)
    }
    await asOwner(shop, `ALTER TABLE "AuditTombstone" ADD CONSTRAINT fails CHECK ("chain" <> 'a fails')`)
    await asOwner(
      shop,
      `SET session_replication_role = replica; UPDATE "PaymentAuditLog" SET "amount" = 1 WHERE "chain" = 'b is not sound' AND "sequence" = 2`
    )
    const failure = await run().then(
      () => '',
      error => String(error)
    )
    expect(failure).toContain('chain a fails')
    expect(failure).toContain('chain b is not sound: it is not sound and stays: the row was changed')
    expect([
      await countRows(shop, 'a fails'),
      await countRows(shop, 'b is not sound'),
      await countRows(shop, 'c is good')
    ]).toEqual([3, 3, 0])
    await asOwner(
      shop,
      `SET session_replication_role = replica; ALTER TABLE "AuditTombstone" DROP CONSTRAINT fails;
       UPDATE "PaymentAuditLog" SET "amount" = NULL WHERE "chain" = 'b is not sound'`
    )
    await run()
    expect([await countRows(shop, 'a fails'), await countRows(shop, 'b is not sound')]).toEqual([0, 0])
  })
})

describe('the keys of tombstones', () => {
  const chain = { chain: 'c', rows: 3, lastHash: 'h' }
  const NEW = 'n'.repeat(32)
  const OLD = 'o'.repeat(32)
  const config = (env: NodeJS.ProcessEnv) => loadConfig({ ...shop.stack.env, ...env })
  const signed = (env: NodeJS.ProcessEnv) => ({
    ...chain,
    removedAt: new Date(),
    signature: signTombstone(chain, config(env))
  })

  it('are read for as long as they are set, the one of AUTH_SECRET too', () => {
    const byOld = signed({ AUTH_SECRET: OLD })
    expect(checkTombstone(byOld, config({ AUTH_SECRET: `${NEW},${OLD}` }))).toEqual({ signed: true })
    expect(checkTombstone(byOld, config({ AUTH_SECRET: `${NEW},${OLD}`, AUDIT_SIGNING_KEY: NEW }))).toEqual({
      signed: true
    })
    const byKey = signed({ AUTH_SECRET: OLD, AUDIT_SIGNING_KEY: NEW })
    expect(checkTombstone(byKey, config({ AUTH_SECRET: NEW, AUDIT_SIGNING_KEY: `${OLD},${NEW}` }))).toEqual({
      signed: true
    })
    // A secret that signs customers does not sign tombstones, where there is a key for them.
    expect(checkTombstone(byKey, config({ AUTH_SECRET: NEW }))).toMatchObject({ signed: false, certain: false })
    expect(checkTombstone({ ...byKey, rows: 4 }, config({ AUDIT_SIGNING_KEY: NEW }))).toEqual({
      signed: false,
      certain: true
    })
  })

  it('are at least 32 characters long, each', () => {
    expect(() => config({ AUDIT_SIGNING_KEY: `${NEW},short` })).toThrow(
      'AUDIT_SIGNING_KEY: expected at least 32 characters'
    )
  })

  it('read what releases before have signed with AUTH_SECRET itself', () => {
    // As signTombstone() of 2026-11-25 did it.
    const signature = '316f11b6d54e7abf161feeae5d57b34a78fe05f42f84f53d8da9446dbc270068'
    expect(
      checkTombstone({ ...chain, removedAt: new Date(), signature }, config({ AUTH_SECRET: `${NEW},${OLD}` }))
    ).toEqual({ signed: true })
  })

  it('are named when they are missing, and nothing is called forged that cannot be told', async () => {
    await writeChain(shop, 'signed')
    await olderThan(shop, 366, 'signed')
    await retention.handle(shop.stack.services, {}, JOB)
    const { AUTH_SECRET } = shop.stack.env
    const verifyWith = (secret: string) =>
      runOps({ ...shop, stack: { ...shop.stack, env: { ...shop.stack.env, AUTH_SECRET: secret } } }, 'audit', 'verify')
    expect(await verifyWith(`${NEW},${AUTH_SECRET}`)).toMatchObject({
      code: 0,
      output: expect.stringContaining('sound')
    })
    const missing = await verifyWith(NEW)
    expect(missing).toMatchObject({
      code: 3,
      output: expect.stringMatching(/signed by the key [0-9a-f]{12} .* which is not set/)
    })
  })
})
