import { chmodSync, mkdtempSync, readdirSync, renameSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import pg from 'pg'
import { data, lineOf } from '../local/shopper.js'
import { type VerificationState, verifyTrail } from '../shared/audit/trail-verification.js'
import { type ExpiredChain, findAuditProblems, findExpiredChains } from '../shared/statements/audit-trail.js'
import {
  type BookedEntry,
  findBookedSources,
  findUnbalanced,
  type PostingCursor,
  type UnbalancedOrder
} from '../shared/statements/ledger.js'
import { retention } from '../workers/retention.js'
import { countRows, olderThan, verify, writeChain } from './support/audit-chain.js'
import { runOps, runOpsProgram } from './support/ops.js'
import { asOwner, openShop, type Shop } from './support/shop.js'

let shop: Shop
beforeAll(async () => {
  shop = await openShop('postgres', { RECONCILE_CRON: '0 0 1 1 *', RETENTION_CRON: '0 0 1 1 *' })
})
afterAll(() => shop.close())

const pool = () => shop.stack.services.db.pool
const prisma = () => shop.stack.services.db.prisma
const JOB = { id: 'test', attempt: 1, isLastAttempt: true }

describe('verification', () => {
  const tamper = (statement: string) => asOwner(shop, `SET session_replication_role = replica; ${statement}`)

  it.each([1, 2, 3, 7, 10_000])('finds the same in slices of %i rows', async most => {
    for (const chain of ['s1', 's2', 's3', 's4', 's5', 's6']) await writeChain(shop, `${chain}-${most}`, 5)
    expect((await verify(shop, most)).findings).toEqual([])
    const chain = (name: string) => `"chain" = '${name}-${most}'`
    await tamper(`CREATE TABLE kept AS SELECT * FROM "PaymentAuditLog"; CREATE TABLE kept_chain AS SELECT * FROM "AuditChain";
      UPDATE "PaymentAuditLog" SET "after" = 'PAID' WHERE ${chain('s1')} AND "sequence" = 2;
      DELETE FROM "PaymentAuditLog" WHERE ${chain('s2')} AND "sequence" IN (1, 3);
      DELETE FROM "PaymentAuditLog" WHERE ${chain('s3')};
      DELETE FROM "PaymentAuditLog" WHERE ${chain('s4')} AND "sequence" = 5;
      DELETE FROM "AuditChain" WHERE ${chain('s5')}`)
    const { findings } = await verify(shop, most)
    await tamper(`DELETE FROM "PaymentAuditLog"; INSERT INTO "PaymentAuditLog" SELECT * FROM kept; DELETE FROM "AuditChain";
      INSERT INTO "AuditChain" SELECT * FROM kept_chain; DROP TABLE kept, kept_chain`)
    expect(findings.map(finding => finding.replace(/ row \d+/, ' row N').replace(`-${most}`, ''))).toEqual([
      'chain s1, row N: the row was changed',
      'chain s2, row N: rows before this one were removed',
      'chain s2, row N: rows before this one were removed',
      'chain s3, row ?: all rows were removed',
      'chain s4, row N: rows after this one were removed',
      'chain s5, row N: the chain is not registered'
    ])
    expect((await verify(shop, most)).findings).toEqual([])
  })

  it('takes rows that are written, and chains that are removed and begin again, while it runs for what they are', async () => {
    for (const chain of ['l1', 'l2', 'l3']) await writeChain(shop, chain, 4)
    let turn = 0
    let begunAgain = false
    const { findings } = await verify(shop, 2, undefined, async state => {
      turn++
      await writeChain(shop, 'a new chain in front', 1)
      await writeChain(shop, 'l2', 1)
      await writeChain(shop, `z new chain ${turn % 5}`, 1)
      // In the middle of the chain, whose new rows have the numbers of those that are to come.
      if (!begunAgain && state.row?.chain === 'l1' && state.row.sequence < 4) {
        begunAgain = true
        await olderThan(shop, 366, 'l1')
        await retention.handle(shop.stack.services, {}, JOB)
        expect(await countRows(shop, 'l1')).toBe(0)
        await writeChain(shop, 'l1', 9)
      }
      if (turn > 2_000) throw new Error('the verification runs after what is written and never ends')
    })
    expect(findings).toEqual([])
    expect(begunAgain).toBe(true)
  })

  it('goes on where it was broken off, and remembers what it found before', async () => {
    await writeChain(shop, 'a first', 4)
    await tamper(`UPDATE "PaymentAuditLog" SET "after" = 'PAID' WHERE "chain" = 'a first' AND "sequence" = 1`)
    const whole = await verify(shop, 5)
    for (const steps of [1, 2, 5, 20]) {
      let state: VerificationState | undefined
      let taken = 0
      for await (const step of verifyTrail(shop.stack.services.db, shop.stack.config, { most: 5 })) {
        state = JSON.parse(JSON.stringify(step.state))
        if (++taken === steps) break
      }
      expect((await verify(shop, 5, state)).state).toEqual(whole.state)
    }
    expect(whole.state?.wrong).toBe(1)
    await tamper(`UPDATE "PaymentAuditLog" SET "after" = NULL WHERE "chain" = 'a first'`)
  })

  it('tells what is wrong (1) from what could not be told (3)', async () => {
    const away = await runOps(
      {
        ...shop,
        stack: { ...shop.stack, env: { ...shop.stack.env, DATABASE_URL: 'postgresql://nobody:x@127.0.0.1:1/none' } }
      },
      'audit',
      'verify'
    )
    expect(away).toMatchObject({ code: 3, output: expect.stringContaining('could not finish') })
    await asOwner(shop, 'ALTER FUNCTION "audit_end_problems" RENAME TO away')
    const broken = await runOps(shop, 'audit', 'verify')
    await asOwner(shop, 'ALTER FUNCTION away RENAME TO "audit_end_problems"')
    expect(broken).toMatchObject({ code: 3, output: expect.stringContaining('npm run ops -- audit verify --resume') })
    const resumed = await runOps(shop, 'audit', 'verify', '--resume')
    expect(resumed).toMatchObject({
      code: 0,
      output: expect.stringMatching(/Going on from .*, after \d+ rows.*sound/s)
    })
    expect(await runOps(shop, 'audit', 'verify', '--resme')).toMatchObject({ code: 2 })
  })
})

it('verifies the chain without a name with the others', async () => {
  await writeChain(shop, '', 2)
  expect((await verify(shop, 100)).findings).toEqual([])
  await asOwner(
    shop,
    `CREATE TABLE kept AS SELECT * FROM "PaymentAuditLog" WHERE "chain" = '';
     SET session_replication_role = replica; DELETE FROM "PaymentAuditLog" WHERE "chain" = ''`
  )
  const found = [await verify(shop, 100), await verify(shop, 10_000)].map(({ findings }) => findings)
  const ofOne = await findAuditProblems(pool(), '')
  await asOwner(
    shop,
    'SET session_replication_role = replica; INSERT INTO "PaymentAuditLog" SELECT * FROM kept; DROP TABLE kept'
  )
  expect(found).toEqual(Array(2).fill([expect.stringContaining('all rows were removed')]))
  expect(ofOne).toEqual([{ chain: '', id: null, problem: 'all rows were removed' }])
  expect((await verify(shop, 100)).findings).toEqual([])
})

describe('what an operator reads', () => {
  const forged = `SET session_replication_role = replica; UPDATE "PaymentAuditLog" SET "amount" = 7 WHERE "chain" = 'read' AND "sequence" = 2`
  const restored = `SET session_replication_role = replica; UPDATE "PaymentAuditLog" SET "amount" = NULL WHERE "chain" = 'read'`
  const withEnv = (env: Record<string, string>, ...args: string[]) =>
    runOpsProgram({ ...shop, stack: { ...shop.stack, env: { ...shop.stack.env, ...env } } }, ...args)

  beforeAll(async () => {
    await writeChain(shop, 'read', 3)
    await asOwner(shop, forged)
  })
  afterAll(() => asOwner(shop, restored))

  it('is the trail, whatever the application’s login has put in front of it', async () => {
    const url = new URL(shop.stack.config.database.url)
    await asOwner(
      shop,
      // The second is what operations.md gives to a login with QUEUE_ENGINE=postgres.
      `CREATE ROLE liar LOGIN PASSWORD 'pw' IN ROLE tillworks_app; GRANT CREATE ON DATABASE "${url.pathname.slice(1)}" TO liar`
    )
    url.username = 'liar'
    url.password = 'pw'
    const liar = new pg.Client({ connectionString: url.toString() })
    try {
      await liar.connect()
      const asLiar = (...args: string[]) => withEnv({ DATABASE_URL: url.toString() }, 'audit', ...args)
      const seen = async () => {
        const [verified, exported, ofOrder, ofUser] = [
          await asLiar('verify'),
          await asLiar('export', '--format', 'csv'),
          await asLiar('order', 'read'),
          await asLiar('user', 'owner of read')
        ]
        return { verified, rows: exported.output.trim().split('\n').length, ofOrder, ofUser }
      }
      const honest = await seen()
      expect(honest.verified).toMatchObject({ code: 1, output: expect.stringContaining('chain read') })
      expect(honest.rows).toBeGreaterThan(3)
      expect(honest.ofOrder.output).toContain('row_3')
      await liar.query(`CREATE SCHEMA lies; GRANT USAGE ON SCHEMA lies TO PUBLIC;
        CREATE FUNCTION lies.audit_row_problems(text, integer, text, integer, text DEFAULT NULL)
          RETURNS TABLE ("checked" integer, "chains" integer, "lastChain" text, "lastSequence" integer, "lastHash" text, "problems" jsonb)
          LANGUAGE sql AS $$ SELECT 0, 0, NULL::text, 0, ''::text, '[]'::jsonb $$;
        CREATE VIEW lies."PaymentAuditLog" AS SELECT * FROM public."PaymentAuditLog" WHERE false;
        CREATE VIEW lies."AuditTombstone" AS SELECT * FROM public."AuditTombstone" WHERE false;
        CREATE VIEW lies."AuditChain" AS SELECT * FROM public."AuditChain" WHERE false;
        GRANT SELECT ON ALL TABLES IN SCHEMA lies TO PUBLIC;
        CREATE FUNCTION lies.never(timestamptz, timestamptz) RETURNS boolean LANGUAGE sql AS 'SELECT false';
        CREATE FUNCTION lies.never(text, text) RETURNS boolean LANGUAGE sql AS 'SELECT false';
        CREATE OPERATOR lies.>= (LEFTARG = timestamptz, RIGHTARG = timestamptz, FUNCTION = lies.never);
        CREATE OPERATOR lies.= (LEFTARG = text, RIGHTARG = text, FUNCTION = lies.never);
        ALTER ROLE liar SET search_path = lies, pg_catalog, public`)
      expect(await seen()).toEqual(honest)
    } finally {
      await liar.end()
      await asOwner(shop, 'DROP OWNED BY liar CASCADE; DROP ROLE liar')
    }
  })

  it('can be of a replica, and is without the store of the queues', async () => {
    await asOwner(
      shop,
      `CREATE ROLE reader LOGIN PASSWORD 'pw' IN ROLE tillworks_app; ALTER ROLE reader SET default_transaction_read_only = on`
    )
    const url = new URL(shop.stack.config.database.url)
    url.username = 'reader'
    url.password = 'pw'
    try {
      const env = { DATABASE_URL: url.toString(), QUEUE_ENGINE: 'redis', REDIS_URL: 'redis://127.0.0.1:1' }
      expect(await withEnv(env, 'audit', 'verify')).toMatchObject({
        code: 1,
        output: expect.stringMatching(/chain read, row \d+: the row was changed.* tombstones: 1 problems/s)
      })
      expect((await withEnv(env, 'audit', 'export')).output).toContain('row_3')
    } finally {
      await asOwner(shop, 'DROP ROLE reader')
    }
  })

  describe('after a verification was broken off', () => {
    let home: string
    const verifyAt = (...args: string[]) => withEnv({ TILLWORKS_HOME: home }, 'audit', 'verify', ...args)
    beforeEach(() => {
      home = mkdtempSync(join(tmpdir(), 'tillworks-trail-'))
    })
    afterEach(() => rmSync(home, { recursive: true }))

    async function breakOff(...args: string[]): Promise<string> {
      await asOwner(shop, 'ALTER FUNCTION "audit_end_problems" RENAME TO away')
      const broken = await verifyAt(...args)
      await asOwner(shop, 'ALTER FUNCTION away RENAME TO "audit_end_problems"')
      const [name = 'none'] = readdirSync(home)
      const file = join(home, name)
      expect(broken).toMatchObject({ code: 1, output: expect.stringContaining(`verify --resume (from ${file})`) })
      return file
    }

    it('goes on from the operator’s own file, and from nothing that the application says', async () => {
      const said = { phase: 'tombstones', row: null, end: null, tombstone: null, rows: 9, chains: 9, tombstones: 0 }
      await pool().query(
        `INSERT INTO "Checkpoint" ("name", "at", "value") VALUES ('audit verify', now(), $1) ON CONFLICT ("name") DO UPDATE SET "value" = $1`,
        [JSON.stringify({ ...said, wrong: 0, unknown: 0 })]
      )
      const resumed = await verifyAt('--resume')
      expect(resumed).toMatchObject({ code: 1, output: expect.stringContaining('No verification was broken off') })
      expect(resumed.output).toContain('the row was changed')
      expect(readdirSync(home)).toEqual([])

      const file = await breakOff()
      expect(statSync(file).mode & 0o777).toBe(0o600)
      // What was found before is still known, although nothing more could be looked at.
      expect(await breakOff('--resume')).toBe(file)
      const again = await verifyAt('--resume')
      expect(again).toMatchObject({ code: 1, output: expect.stringMatching(/Going on from .* rows \(.*: 1 problems/s) })
      expect(again.output).toContain(file)
      expect(readdirSync(home)).toEqual([])
    })

    it('believes no file that others can write, a link to one, or what is no bookmark', async () => {
      const file = await breakOff()
      chmodSync(file, 0o666)
      expect(await verifyAt('--resume')).toMatchObject({
        code: 3,
        output: expect.stringContaining('written by others')
      })
      chmodSync(file, 0o600)
      renameSync(file, `${file}.elsewhere`)
      symlinkSync(`${file}.elsewhere`, file)
      expect(await verifyAt('--resume')).toMatchObject({ code: 3, output: expect.stringContaining('ELOOP') })
      rmSync(file)
      writeFileSync(file, '{"at":1}', { mode: 0o600 })
      expect(await verifyAt('--resume')).toMatchObject({ code: 3, output: expect.stringContaining('is no bookmark') })
      expect(await verifyAt()).toMatchObject({ code: 1 })
    })

    it('verifies where no bookmark can be kept, and says so once', async () => {
      writeFileSync(join(home, 'file'), '')
      const verified = await withEnv({ TILLWORKS_HOME: join(home, 'file') }, 'audit', 'verify')
      expect(verified.code).toBe(1)
      expect(verified.output.match(/No bookmark is kept/g)).toHaveLength(1)
      expect(verified.output).toContain('1 problems')
    })
  })
})

describe('pages', () => {
  it('export every row once, also when many are of one moment', async () => {
    await asOwner(
      shop,
      `INSERT INTO "PaymentAuditLog" ("action", "status", "orderId") SELECT 'page', 'SUCCESS', 'page ' || i FROM generate_series(1, 2500) i;
       SET session_replication_role = replica;
       UPDATE "PaymentAuditLog" SET "createdAt" = '2020-01-02T00:00:00Z' WHERE "action" = 'page' AND "id" % 5 > 0;
       UPDATE "PaymentAuditLog" SET "createdAt" = '2020-01-01T00:00:00Z' WHERE "action" = 'page' AND "id" % 5 = 0`
    )
    const exported = async (...args: string[]) => {
      const { output } = await runOps(shop, 'audit', 'export', ...args)
      const ids = output
        .trim()
        .split('\n')
        .map(line => Number(JSON.parse(line).id))
      expect(new Set(ids).size).toBe(ids.length)
      return ids.length
    }
    expect(await exported()).toBe(await prisma().paymentAuditLog.count())
    expect(await exported('--since', '2020-01-02', '--until', '2021-01-01')).toBe(2000)
    await asOwner(
      shop,
      `SET session_replication_role = replica; DELETE FROM "PaymentAuditLog" WHERE "action" = 'page'; DELETE FROM "AuditChain" WHERE "chain" LIKE 'page %'`
    )
  })

  it('find the same chains and postings one by one as together', async () => {
    for (const chain of ['p1', 'p2', 'p3']) await writeChain(shop, chain, 1)
    await asOwner(
      shop,
      `SET session_replication_role = replica; UPDATE "AuditChain" SET "updatedAt" = '2020-01-01' WHERE "chain" IN ('p1', 'p3', 'p2')`
    )
    const before = new Date('2021-01-01')
    const chains: ExpiredChain[] = []
    for (;;) {
      const page = await findExpiredChains(pool(), before, 1, chains.at(-1))
      if (page.length === 0) break
      chains.push(...page)
    }
    expect(chains).toEqual(await findExpiredChains(pool(), before, 100))
    expect(chains.map(each => each.chain)).toEqual(['p1', 'p2', 'p3'])

    const ada = await shop.customer('ada')
    for (let time = 0; time < 3; time++) {
      const checkout = data(
        await ada.checkout(
          { items: [lineOf(await ada.product('stoneware-mug'), 1)] },
          { 'Idempotency-Key': `page ${time}` }
        )
      )
      await ada.pay(checkout.url ?? '')
      await ada.orderBecomes(checkout.orderId ?? '', 'PAID')
    }
    const period = { since: new Date(0), until: new Date(Date.now() + 60_000) }
    const booked: BookedEntry[] = []
    let cursor: PostingCursor | null = null
    do {
      const page: Awaited<ReturnType<typeof findBookedSources>> = await findBookedSources(pool(), period, cursor, 1)
      booked.push(...page.booked)
      cursor = page.last
    } while (cursor !== null)
    expect(booked.length).toBeGreaterThanOrEqual(3)
    const whole = await findBookedSources(pool(), period, null, 1_000)
    expect(whole.last).toBeNull()
    const byEntry = (a: BookedEntry, b: BookedEntry) => (a.entry < b.entry ? -1 : 1)
    expect(booked.sort(byEntry)).toEqual(whole.booked.sort(byEntry))

    const [wrong] = booked
    await asOwner(
      shop,
      `SET session_replication_role = replica; UPDATE "LedgerPosting" SET "amount" = "amount" + 1 WHERE "entry" = '${wrong?.entry}' AND "account" = 'STRIPE'`
    )
    const unbalanced: UnbalancedOrder[] = []
    for (let after: string | null = null; ; ) {
      const page: Awaited<ReturnType<typeof findUnbalanced>> = await findUnbalanced(pool(), after, 1)
      unbalanced.push(...page.unbalanced)
      after = page.last
      if (after === null) break
    }
    const posted = await shop.stack.services.db.prisma.ledgerPosting.findFirstOrThrow({
      where: { entry: wrong?.entry }
    })
    expect(unbalanced).toEqual([{ orderId: posted.orderId, currency: 'EUR', sum: 1 }])
  })
})
