import { randomBytes } from 'node:crypto'
import { connect, createServer, type Server } from 'node:net'
import pg from 'pg'
import { type Client, openPool, type PoolOptions, transaction } from '../shared/database/database.js'
import { together } from '../shared/database/together.js'
import { createLogger } from '../shared/logger.js'
import { administer } from './support/shop.js'

const server = new URL(process.env.TILLWORKS_TEST_POSTGRES ?? '')
const name = `test_${randomBytes(6).toString('hex')}`
const log = createLogger({ level: 'silent', production: true, name: 'together' })
const pools: pg.Pool[] = []
let counting: Server
/** What the client has sent, by packets. */
let packets = 0
let other: pg.Client

beforeAll(async () => {
  await administer(server.href, `CREATE DATABASE "${name}"`)
  counting = createServer(client => {
    const upstream = connect(Number(server.port), server.hostname)
    client.on('data', () => packets++)
    client.pipe(upstream).pipe(client)
    client.on('error', () => upstream.destroy())
    upstream.on('error', () => client.destroy())
  })
  await new Promise<void>(resolve => counting.listen(0, '127.0.0.1', resolve))
  other = new pg.Client({ connectionString: urlAt(server.port) })
  await other.connect()
  await other.query('CREATE TABLE shelf (place int PRIMARY KEY, goods int NOT NULL)')
  await other.query('INSERT INTO shelf SELECT place, 0 FROM generate_series(1, 4) AS place')
})
afterAll(async () => {
  await Promise.all(pools.map(pool => pool.end()))
  await other?.end()
  await new Promise(resolve => counting.close(resolve))
  await administer(server.href, `DROP DATABASE "${name}" WITH (FORCE)`)
})

function urlAt(port: string | number): string {
  const url = new URL(server)
  url.port = String(port)
  url.pathname = name
  return url.href
}

function open(options: Partial<PoolOptions> = {}): pg.Pool {
  const { port } = counting.address() as { port: number }
  const pool = openPool({ url: urlAt(port), poolSize: 2, role: undefined, log, name: 'together', ...options })
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

it('sends them one after the other where a pooler gives each transaction another connection', async () => {
  const pool = open({ pooling: 'transaction' })
  await pool.query('SELECT 1')
  packets = 0
  await transaction(pool, client => together(client, [put(client, 1), put(client, 2), put(client, 3)]))
  expect(packets).toBe(5)
})

describe.each(['none', 'transaction'] as const)('with pooling %s', pooling => {
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

it('lets each take as long as all of them: a server that answers is not taken for one that is silent', async () => {
  const pool = open({ statementTimeoutMs: 500 })
  const [idle, busy] = await Promise.all([pool.connect(), pool.connect()])
  const lost: Error[] = []
  for (const client of [idle, busy]) client.on('error', error => lost.push(error))
  idle.release()
  const naps = Array.from({ length: 7 }, () => () => busy.query('SELECT pg_sleep(0.4)'))
  // Longer than the bound of one: 500 ms at the server and two seconds more here.
  expect(await together(busy, naps)).toHaveLength(7)
  busy.release()
  expect(lost).toEqual([])
  expect(pool.totalCount).toBe(2)
})
