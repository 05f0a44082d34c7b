// The forms in which teams have a Redis, each with a purchase through it; the whole queue suite on a cluster is for CI.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { jest } from '@jest/globals'
import fc from 'fast-check'
import { Redis } from 'ioredis'
import { eventually } from '../local/eventually.js'
import { freePort } from '../local/free-port.js'
import { SENTINEL_NAME, startWatchedRedis, type WatchedRedis } from '../local/redis-sentinel.js'
import { type RedisServer, startRedisServer } from '../local/redis-server.js'
import { data, lineOf } from '../local/shopper.js'
import { ConfigError, loadConfig } from '../shared/config/config.js'
import { parseRedisUrl } from '../shared/config/redis/url.js'
import { lookAtRedis } from '../shared/doctor/redis.js'
import { createLogger } from '../shared/logger.js'
import { openQueues } from '../shared/queue/queues.js'
import { upsertSchedules } from '../workers/schedules.js'
import { makeCertificates } from './support/certificates.js'
import { scrape } from './support/scrape.js'
import { ENOUGH } from './support/settings.js'
import { openShop, type Shop, withShop } from './support/shop.js'

const CLUSTER = process.env.TILLWORKS_TEST_CLUSTER ?? ''
const withServers = CLUSTER === '' ? it.skip : it
const PATIENCE = 60_000
const log = createLogger({ level: 'silent', production: true, name: 'test' })

const queueOf = (env: NodeJS.ProcessEnv) => loadConfig({ ...ENOUGH, ...env }).queue

function problemsOf(env: NodeJS.ProcessEnv): string[] {
  try {
    queueOf(env)
    return []
  } catch (error) {
    return (error as ConfigError).problems
  }
}

/** What a start on this Redis is refused with, or 'started'. */
async function startOn(env: NodeJS.ProcessEnv): Promise<string> {
  const opening = openQueues({ ...queueOf(env), database: { url: '' } }, log)
  return await opening.then(
    async queues => {
      await queues.ping()
      await queues.close()
      return 'started'
    },
    (error: unknown) => (error instanceof ConfigError ? error.problems.join('\n') : `threw ${error}`)
  )
}

// A refused TLS handshake was once told by the server's alert instead of our own sentence, on a busy machine.
jest.retryTimes(2, { logErrorsBeforeRetry: true })

let bought = 0
async function purchase(shop: Shop, patienceMs = PATIENCE): Promise<void> {
  const customer = await shop.customer('ada')
  const items = [lineOf(await customer.product('stoneware-mug'), 1)]
  const key = { 'Idempotency-Key': `form-${++bought}`, Prefer: 'respond-async' }
  const { checkoutId } = data(await customer.checkout({ items }, key))
  const status = await eventually(
    async () => data(await customer.checkoutStatus(checkoutId)),
    ({ status }) => status === 'OPEN',
    patienceMs
  )
  expect(status.status).toBe('OPEN')
  await customer.pay(status.url ?? '')
  const paid = await eventually(
    async () => data(await customer.checkoutStatus(checkoutId)).status,
    status => status === 'PAID',
    patienceMs
  )
  expect(paid).toBe('PAID')
}

describe('a Redis Cluster', () => {
  withServers('spreads the queues over its nodes, under Bull Board, metrics and rate limits too', async () => {
    const env = { QUEUE_ENGINE: undefined, REDIS_CLUSTER_NODES: CLUSTER, RATE_LIMIT_PER_IP: '5000' }
    await withShop(openShop('cluster', env), async shop => {
      await purchase(shop)
      const { api, config } = shop.stack
      const authorization = `Basic ${Buffer.from(`${config.ops.user}:${config.ops.password}`).toString('base64')}`
      const board = await fetch(`http://127.0.0.1:${api.opsPort}/ops/board/api/queues?activeQueue=webhook-processing`, {
        headers: { authorization }
      })
      expect(board.status).toBe(200)
      expect(await board.text()).toContain('webhook-processing')
      expect((await scrape(shop)).text).toMatch(/tillworks_\w*jobs\{[^}]*webhook-processing/)
      const holding = await Promise.all(
        CLUSTER.split(',').map(async node => {
          const redis = new Redis(`redis://${node}`)
          const keys = await redis.keys(`{${config.queue.prefix}-*`)
          redis.disconnect()
          return keys.length
        })
      )
      expect(holding.map(count => count > 0)).toEqual([true, true, true])
    })
  })

  withServers('is named as what it is, and so is what is none', async () => {
    const [node] = CLUSTER.split(',')
    expect(await startOn({ REDIS_URL: `redis://${node}` })).toMatch(
      new RegExp(`^REDIS_URL: ${node} is a Redis Cluster: set REDIS_CLUSTER_NODES=${node}`)
    )
    const single = new URL(process.env.TEST_REDIS_URL ?? '').host
    expect(await startOn({ REDIS_CLUSTER_NODES: single })).toMatch(/^REDIS_CLUSTER_NODES: .* is no cluster.*REDIS_URL/)
    expect(await startOn({ REDIS_CLUSTER_NODES: CLUSTER, QUEUE_SPREAD: 'false' })).toBe('started')
    const found = await lookAtRedis(queueOf({ REDIS_CLUSTER_NODES: CLUSTER }).redis as never)
    expect(found.map(({ text }) => text)).toEqual(
      CLUSTER.split(',').map(() => expect.stringMatching(/^127.0.0.1:\d+: .*makes no snapshots.*time, not a payment/))
    )
  })
})

describe('Sentinel', () => {
  const passwords = { redis: 'p@ss/w#rd?%"ü', sentinel: 's ntinel:%@/' }
  let watched: WatchedRedis | undefined
  afterAll(() => watched?.stop())

  withServers('promotes the replica: ingress and workers follow, and nothing is lost', async () => {
    watched = await startWatchedRedis(passwords)
    const place = { REDIS_SENTINELS: watched?.sentinels, REDIS_SENTINEL_NAME: SENTINEL_NAME, TEST: undefined }
    const signIn = { REDIS_PASSWORD: passwords.redis, REDIS_SENTINEL_PASSWORD: passwords.sentinel }
    expect(await startOn({ ...place, ...signIn, REDIS_SENTINEL_NAME: 'another' })).toMatch(/^REDIS_SENTINEL_NAME: /)
    expect(await startOn({ ...place, ...signIn, REDIS_PASSWORD: 'wrong' })).toMatch(/^REDIS_PASSWORD: .*WRONGPASS/)
    const env = { ...place, ...signIn, REDIS_URL: undefined }
    await withShop(openShop('redis', env), async shop => {
      await purchase(shop)
      await watched?.primary.kill()
      await purchase(shop)
    })
  })
})

describe('a primary that becomes a replica', () => {
  withServers('answers READONLY and then takes jobs again', async () => {
    const [first, second] = [await startRedisServer(), await startRedisServer(['--repl-diskless-sync-delay', '0'])]
    const client = new Redis(second?.port ?? 0)
    try {
      await withShop(openShop('redis', { REDIS_URL: `redis://127.0.0.1:${second?.port}` }), async shop => {
        await purchase(shop)
        // A full sync takes away what it had.
        await client.replicaof('127.0.0.1', first?.port ?? 0)
        await eventually(
          () => client.info('replication'),
          text => text.includes('master_link_status:up')
        )
        const customer = await shop.customer('ada')
        const items = [lineOf(await customer.product('stoneware-mug'), 1)]
        const accepted = await customer.checkout({ items }, { 'Idempotency-Key': 'demoted', Prefer: 'respond-async' })
        expect(accepted.status).toBe(202)
        await client.replicaof('NO', 'ONE')
        // The full sync took the schedules away; the workers make them again each minute.
        await eventually(
          () =>
            upsertSchedules(shop.stack.services).then(
              () => true,
              () => false
            ),
          Boolean,
          PATIENCE
        )
        expect((await customer.checkoutBecomes(data(accepted).checkoutId, 'OPEN')).status).toBe('OPEN')
        await purchase(shop)
      })
    } finally {
      client.disconnect()
      await Promise.all([first?.process.stop(), second?.process.stop()])
    }
  })
})

describe('TLS, users and sockets', () => {
  const folder = mkdtempSync(join(tmpdir(), 'tillworks-redis-tls-'))
  const file = (name: string) => join(folder, name)
  const servers: (RedisServer | undefined)[] = []
  afterAll(async () => {
    await Promise.all(servers.map(server => server?.process.stop()))
    rmSync(folder, { recursive: true })
  })

  withServers('are taken as they are, and refused in words', async () => {
    const here = 'IP:127.0.0.1,DNS:localhost'
    makeCertificates(folder, { server: here, client: here })
    const [tlsPort, socket] = [await freePort(), file('redis.sock')]
    const options = [
      ...['--tls-port', `${tlsPort}`, '--tls-ca-cert-file', file('ca.pem'), '--tls-cert-file', file('server.pem')],
      ...['--tls-key-file', file('server.key'), '--tls-auth-clients', 'yes', '--unixsocket', socket]
    ]
    const server = await startRedisServer(options)
    servers.push(server)
    const ours = {
      REDIS_CA_FILE: file('ca.pem'),
      REDIS_CERT_FILE: file('client.pem'),
      REDIS_KEY_FILE: file('client.key')
    }
    const url = `rediss://127.0.0.1:${tlsPort}`
    expect(await startOn({ REDIS_URL: url, ...ours })).toBe('started')
    expect(await startOn({ REDIS_URL: `unix://${socket}?db=2` })).toBe('started')
    expect(await startOn({ REDIS_URL: socket })).toBe('started')
    expect(await startOn({ REDIS_URL: url })).toMatch(/^REDIS_CA_FILE: the TLS of .* is not trusted/)
    const hint = async (env: NodeJS.ProcessEnv) => (await lookAtRedis(queueOf(env).redis as never))[0]?.text
    expect(await hint({ REDIS_URL: url, REDIS_CA_FILE: file('ca.pem') })).toMatch(/REDIS_CERT_FILE/)
    expect(await hint({ REDIS_URL: `redis://127.0.0.1:${tlsPort}` })).toMatch(/want TLS/)
    expect(await hint({ REDIS_URL: `rediss://127.0.0.1:${server?.port}` })).toMatch(/speak TLS/)
    expect(await startOn({ REDIS_URL: `redis://127.0.0.1:${server?.port}/99` })).toMatch(
      /^REDIS_DATABASE: .* database 99/
    )
    expect(problemsOf({ REDIS_URL: url, ...ours, REDIS_KEY_FILE: file('server.key') })).toEqual([
      'REDIS_KEY_FILE: is not the key of the certificate in REDIS_CERT_FILE'
    ])
    const client = new Redis(server?.port ?? 0)
    const name = 'us:er@shop'
    await client.call('ACL', 'SETUSER', 'shop', 'on', '>p:@/?#%41 ü', '~*', '&*', '+@all', '-@dangerous', '+info')
    await client.call('ACL', 'SETUSER', 'default', 'off')
    client.disconnect()
    const place = `127.0.0.1:${server?.port}`
    expect(await startOn({ REDIS_URL: `redis://shop:p:@/?#%2541 ü@${place}` })).toBe('started')
    const own = { REDIS_URL: `redis://${place}`, REDIS_USERNAME: 'shop' }
    expect(await startOn({ ...own, REDIS_PASSWORD: 'p:@/?#%41 ü' })).toBe('started')
    expect(await startOn({ ...own, REDIS_USERNAME: name, REDIS_PASSWORD: 'secret' })).toMatch(
      /^REDIS_URL|^REDIS_PASSWORD/
    )
    expect(await startOn({ REDIS_URL: `redis://${place}` })).toMatch(/^REDIS_PASSWORD: missing/)
    const found = await lookAtRedis(queueOf({ ...own, REDIS_PASSWORD: 'p:@/?#%41 ü' }).redis as never)
    expect(found.map(({ text }) => text)).toEqual([expect.stringContaining('CONFIG is forbidden')])
  })
})

describe('the settings of Redis', () => {
  it('take any user and password, encoded or not', () => {
    const anything = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 30 })
    fc.assert(
      fc.property(anything, anything, fc.boolean(), (username, password, isTls) => {
        const encoded = `${encodeURIComponent(username)}:${encodeURIComponent(password)}`
        const scheme = isTls ? 'rediss' : 'redis'
        expect(parseRedisUrl(`${scheme}://${encoded}@[::1]:7000/3`)).toEqual({
          at: { host: '::1', port: 7000 },
          tls: isTls,
          username,
          password,
          database: 3
        })
        if (!password.includes('%')) {
          expect(parseRedisUrl(`${scheme}://:${password}@cache.example`)).toMatchObject({ password })
        }
      })
    )
  })

  it.each<[NodeJS.ProcessEnv, RegExp]>([
    [{}, /^REDIS_URL: missing; set it/],
    [{ REDIS_URL: 'redis://a', QUEUE_ENGINE: 'postgres' }, /^QUEUE_ENGINE: is postgres although REDIS_URL/],
    [{ REDIS_URL: 'redis://a', REDIS_SENTINELS: 'b' }, /^REDIS_SENTINELS: is set although REDIS_URL is/],
    [{ REDIS_CLUSTER_NODES: 'a', REDIS_SENTINELS: 'b' }, /^REDIS_SENTINELS: is set although REDIS_CLUSTER_NODES is/],
    [{ REDIS_CLUSTER_NODES: 'redis://a:1' }, /^REDIS_CLUSTER_NODES: expected host:port/],
    [{ REDIS_CLUSTER_NODES: 'a:70000' }, /^REDIS_CLUSTER_NODES: expected host:port/],
    [{ REDIS_CLUSTER_NODES: 'a', REDIS_DATABASE: '1' }, /^REDIS_DATABASE: a Redis Cluster has only database 0/],
    [{ REDIS_URL: 'redis://a/1', REDIS_DATABASE: '2' }, /^REDIS_DATABASE: REDIS_URL names another/],
    [{ REDIS_URL: 'redis://a,b' }, /^REDIS_URL: expected one server/],
    [{ REDIS_URL: 'redis-sentinel://a' }, /^REDIS_URL: expected/],
    [{ REDIS_URL: 'redis://a?maxRetriesPerRequest=1' }, /^REDIS_URL: expected no parameters but db and family/],
    [{ REDIS_URL: 'redis://a/x' }, /^REDIS_URL: expected the number of a database/],
    [{ REDIS_URL: 'redis://:b@a', REDIS_PASSWORD: 'hush' }, /^REDIS_PASSWORD: is set although REDIS_URL has one/],
    [{ REDIS_URL: 'redis://user@a' }, /^REDIS_PASSWORD: missing/],
    [{ REDIS_URL: 'rediss://a', REDIS_TLS: 'false' }, /^REDIS_TLS: is false although/],
    [{ REDIS_URL: '/run/redis.sock', REDIS_TLS: 'true' }, /^REDIS_TLS: a socket/],
    [{ REDIS_URL: 'redis://a', REDIS_TLS_NAME: 'b' }, /^REDIS_TLS_NAME: means nothing without TLS/],
    [{ REDIS_URL: 'redis://a', REDIS_TLS_VERIFY: 'false' }, /^REDIS_TLS_VERIFY: means nothing without TLS/],
    [{ REDIS_URL: 'rediss://a', REDIS_CA_FILE: '/nowhere' }, /^REDIS_CA_FILE: .*ENOENT/],
    [{ REDIS_URL: 'rediss://a', REDIS_CA_FILE: 'package.json' }, /^REDIS_CA_FILE: expected/],
    [{ REDIS_URL: 'redis://a', REDIS_NAT_MAP: 'a:1=b:2' }, /^REDIS_NAT_MAP: expected beside/],
    [{ REDIS_CLUSTER_NODES: 'a', REDIS_NAT_MAP: 'a:1' }, /^REDIS_NAT_MAP: expected told=reached/]
  ])('refuse %j', (env, problem) => {
    const problems = problemsOf(env)
    expect([problems[0], problems.join().includes('hush')]).toEqual([expect.stringMatching(problem), false])
  })
})
