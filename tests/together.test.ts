import { connect, createServer, type Server } from 'node:net'
import type pg from 'pg'
import { eventually } from '../local/eventually.js'
import { type Client, openPool, type PoolOptions, transaction } from '../shared/database/database.js'
import { together } from '../shared/database/together.js'
import { SECOND } from '../shared/duration.js'
import { createLogger } from '../shared/logger.js'
import { createTestDatabase, type TestDatabase } from './support/test-database.js'

let database: TestDatabase
const log = createLogger({ level: 'silent', production: true, name: 'together' })
const pools: pg.Pool[] = []
let counting: Server
/** What the client has sent, by packets. */
let packets = 0
/** What the server says is lost. */
let isMute = false
let other: pg.Client

beforeAll(async () => {
  database = await createTestDatabase()
  other = database.client
  counting = createServer(client => {
    const upstream = connect(Number(database.url.port), database.url.hostname)
    client.on('data', () => packets++)
    client.pipe(upstream)
    upstream.on('data', part => isMute || client.write(part))
    upstream.on('close', () => client.destroy())
    client.on('close', () => upstream.destroy())
    client.on('error', () => upstream.destroy())
    upstream.on('error', () => client.destroy())
  })
  await new Promise<void>(resolve => counting.listen(0, '127.0.0.1', resolve))
  await other.query('CREATE TABLE shelf (place int PRIMARY KEY, goods int NOT NULL)')
  await other.query('INSERT INTO shelf SELECT place, 0 FROM generate_series(1, 4) AS place')
})
afterAll(async () => {
  await Promise.all(pools.map(pool => pool.end()))
  await new Promise(resolve => counting.close(resolve))
  await database?.drop()
})

function open(options: Partial<PoolOptions> = {}): pg.Pool {
  const { port } = counting.address() as { port: number }
  const url = new URL(database.url)
  url.port = String(port)
  const pool = openPool({ url: url.href, poolSize: 2, role: undefined, log, name: 'together', ...options })
  pools.push(pool)
  return pool
}

const put = (client: Client, place: number) => () =>
  client.query('UPDATE shelf SET goods = goods + 1 WHERE place = $1', [place])
const goods = async () => (await other.query('SELECT sum(goods)::int AS sum FROM shelf')).rows[0].sum

it('sends what needs no answer of each other in one packet, and BEGIN and COMMIT alone', async () => {
  const pool = open()
  await pool.query('SELECT 1')
  packets = 0
  const answers = await transaction(pool, client =>
    together(client, [
      put(client, 1),
      () => client.query('SELECT goods FROM shelf WHERE place = 1'),
      () => together(client, [put(client, 2), put(client, 3)])
    ])
  )
  expect(packets).toBe(3)
  // Each sees what those before it did.
  expect(answers[1].rows).toEqual([{ goods: 1 }])
})

it.each(['session', 'transaction'] as const)('sends them one after the other through a pooler: %s', async pooling => {
  const pool = open({ pooling })
  await pool.query('SELECT 1')
  packets = 0
  await transaction(pool, client => together(client, [put(client, 1), put(client, 2), put(client, 3)]))
  expect(packets).toBe(5)
})

describe.each(['none', 'session', 'transaction'] as const)('with pooling %s', pooling => {
  it.each([1, 2, 3, 4])(
    'the failure of statement %d is thrown, not that of those after it, and nothing is left',
    async place => {
      const pool = open({ pooling })
      const before = await goods()
      await other.query('BEGIN')
      await other.query('SELECT FROM shelf WHERE place = $1 FOR UPDATE', [place])
      const work = (client: Client) =>
        together(client, [put(client, 1), () => together(client, [put(client, 2), put(client, 3)]), put(client, 4)])
      try {
        await expect(transaction(pool, work, { lockTimeoutMs: 50 })).rejects.toMatchObject({ code: '55P03' })
      } finally {
        await other.query('ROLLBACK')
      }
      expect(await goods()).toBe(before)
      // The connection is as good as before.
      await transaction(pool, work)
      expect(await goods()).toBe(before + 4)
    }
  )

  it('waits for the others when one fails on our side, so that nothing is sent after the transaction', async () => {
    const pool = open({ pooling })
    const before = await goods()
    const done: string[] = []
    const work = (client: Client) =>
      together(client, [
        async () => {
          await put(client, 1)()
          await client.query('SELECT pg_sleep(0.1)')
          await put(client, 2)()
          done.push('all of the first')
        },
        async () => {
          await put(client, 3)()
          throw new Error('of our own')
        }
      ])
    await expect(transaction(pool, work)).rejects.toThrow('of our own')
    expect(done).toEqual(['all of the first'])
    expect(await goods()).toBe(before)
  })

  it('takes one that throws as it begins for one that has failed', async () => {
    const pool = open({ pooling })
    const before = await goods()
    const work = (client: Client) =>
      together(client, [
        put(client, 1),
        () => {
          throw new Error('of our own')
        },
        put(client, 2)
      ])
    await expect(transaction(pool, work)).rejects.toThrow('of our own')
    expect(await goods()).toBe(before)
  })
})

describe('a connection that is waited for', () => {
  /** One statement has 1.5 seconds at the server, and two more here. */
  const take = async () => {
    const pool = open({ statementTimeoutMs: 1_500 })
    const [idle, busy] = await Promise.all([pool.connect(), pool.connect()])
    idle.release()
    return { pool, busy }
  }

  it('is not taken for silent while it answers, however much is before a statement', async () => {
    const { pool, busy } = await take()
    const naps = (count: number) => Array.from({ length: count }, () => () => busy.query('SELECT pg_sleep(0.5)'))
    await together(busy, [() => together(busy, naps(7)), ...naps(2)])
    busy.release()
    expect(pool.totalCount).toBe(2)
  })

  it('is silent, and the idle ones with it, when it says nothing more after a first answer', async () => {
    const { pool, busy } = await take()
    const statements = [
      async () => {
        await busy.query('SELECT 1')
        isMute = true
      },
      () => busy.query('SELECT pg_sleep(1.2)')
    ]
    try {
      await expect(together(busy, statements)).rejects.toThrow()
    } finally {
      isMute = false
    }
    busy.release(new Error('lost'))
    // Much sooner than one that lies idle is closed for that alone.
    const left = await eventually(
      async () => pool.totalCount,
      count => count === 0,
      5 * SECOND
    )
    expect(left).toBe(0)
  })
})
