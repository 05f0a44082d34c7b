import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { Redis } from 'ioredis'
import { exportJWK, generateKeyPair, type JWK } from 'jose'
import pg from 'pg'
import { Webhook, WebhookVerificationError } from 'standardwebhooks'
import { freePort } from '../local/free-port.js'
import { type PrivateRedis, startPrivateRedis } from '../local/private-redis.js'
import { loadConfig, readSettings } from '../shared/config/config.js'
import { allSettings } from '../shared/config/groups.js'
import { openDatabase } from '../shared/database/database.js'
import { migrationNames } from '../shared/database/migration-names.js'
import { checkNames, type Examined, examine } from '../shared/doctor/examine.js'
import type { Finding } from '../shared/doctor/finding.js'
import { hiding } from '../shared/doctor/hiding.js'
import { modeFindings } from '../shared/doctor/key-mode.js'
import { stripeCalls } from '../shared/doctor/stripe-calls.js'
import { neededEventTypes } from '../shared/orders/events/handlers.js'
import { permissionsIn } from '../shared/runtime/stripe-permission.js'
import type { WebhookEndpoint } from '../simulator/webhook-endpoint.js'
import { type AnsweringServer, startAnsweringServer } from './support/answering-server.js'
import { runOps, runOpsProgram } from './support/ops.js'
import { administer, asOwner, openShop, type Shop, WEBHOOK_SECRET } from './support/shop.js'
import { startTcpProxy } from './support/tcp-proxy.js'
import { startTransactionPooler } from './support/transaction-pooler.js'

const NOTIFICATION_SECRET = `whsec_${Buffer.from('what the shop checks our notifications with').toString('base64')}`

let shop: Shop
let endpoint: WebhookEndpoint
/** The shop's own server. */
let receiver: AnsweringServer
let taken: { type: string }[]
/** How far Stripe's clock is ahead, in milliseconds. */
let stripeAhead = 0

beforeAll(async () => {
  receiver = await startAnsweringServer()
  const port = await freePort()
  endpoint = { url: `http://127.0.0.1:${port}/api/stripe/webhook`, secret: WEBHOOK_SECRET }
  shop = await openShop(
    'postgres',
    {
      PORT: String(port),
      ORDER_WEBHOOK_URL: `${receiver.url}/tillworks`,
      ORDER_WEBHOOK_SECRET: NOTIFICATION_SECRET
    },
    { simulator: { endpoint, now: () => Date.now() + stripeAhead } }
  )
})
afterAll(async () => {
  await shop.close()
  await receiver.close()
})

beforeEach(() => {
  taken = []
  receiver.answer(verifying)
  Object.assign(endpoint, { enabledEvents: undefined, apiVersion: undefined, status: undefined })
  stripeAhead = 0
  shop.stack.simulator?.faults.set({})
})

/** As a shop should. */
const verifying: Parameters<AnsweringServer['answer']>[0] = (request, response, body) => {
  try {
    taken.push(new Webhook(NOTIFICATION_SECRET).verify(body, request.headers as Record<string, string>) as never)
    response.writeHead(204).end()
  } catch (error) {
    response.writeHead(error instanceof WebhookVerificationError ? 400 : 500).end()
  }
}

type Changes = Record<string, string | undefined>

/** What the doctor says, with some settings changed. Nothing that it says may hold a secret. */
async function examined(
  changes: Changes = {},
  options: { now?: () => Date; webhookUrl?: string } = {}
): Promise<Examined[]> {
  const env = { ...shop.stack.env, ...changes }
  const said = await examine({ env, ...options })
  expect(said.map(({ check }) => check)).toEqual(checkNames)
  const text = JSON.stringify(said)
  for (const secret of secretsOf(env)) expect(text).not.toContain(secret)
  return said
}

function secretsOf(env: Changes): string[] {
  const values = allSettings.flatMap(({ variable, secret }) => (secret ? (env[variable] ?? []) : []))
  const passwords = values.flatMap(value => (URL.canParse(value) ? new URL(value).password : []))
  return [...values, ...passwords].filter(value => value.length > 5)
}

async function finds(
  check: string,
  changes: Changes = {},
  options: { now?: () => Date; webhookUrl?: string } = {}
): Promise<Finding[]> {
  return findingsOf(await examined(changes, options), check)
}

function findingsOf(said: Examined[], check: string): Finding[] {
  return said.find(each => each.check === check)?.findings ?? []
}

function statesOf(said: Examined[], state: Finding['state']): string[] {
  return said.filter(({ findings }) => findings.some(finding => finding.state === state)).map(({ check }) => check)
}

const FINE = [{ state: 'fine', text: expect.any(String) }]

function one(state: Finding['state'], text: string | RegExp): Finding[] {
  return [{ state, text: expect.stringMatching(text) }]
}

/** A connection string of another login, database or port. */
function databaseUrl(change: (url: URL) => void): string {
  const url = new URL(shop.stack.config.database.url)
  change(url)
  return url.href
}

async function nobodyThere(): Promise<string> {
  return `http://127.0.0.1:${await freePort()}`
}

describe('the command', () => {
  it('says of a shop that is right that all is well', async () => {
    const { code, output } = await runOpsProgram(shop, 'doctor')
    expect(output.split('\n').filter(line => line !== '' && !line.startsWith('✓'))).toEqual(['All is well.'])
    expect(output.split('\n').filter(line => line.startsWith('✓'))).toHaveLength(checkNames.length)
    expect(code).toBe(0)
  })

  it('says what to do and ends with 1 when something must be mended', async () => {
    receiver.answer((_request, response) => response.writeHead(500).end())
    const { code, output } = await runOps(shop, 'doctor')
    expect(output).toMatch(/^✗ notifications {7}.*answers 500/m)
    expect(output).toContain('1 ✗ must be mended.')
    expect(code).toBe(1)
  })

  it('ends with 0 when something only should be looked at, and tells programs the same', async () => {
    shop.stack.simulator?.faults.set({ permissions: [...needed(), 'webhook_read'] })
    const { code, output } = await runOps(shop, 'doctor', '--json')
    const { ok, checks } = JSON.parse(output)
    expect([code, ok]).toEqual([0, true])
    expect(findingsOf(checks, 'stripe account')).toEqual(one('should', /Accounts Read/))
  })

  it('refuses what it does not understand', async () => {
    expect(await runOps(shop, 'doctor', '--webhook-url', 'here')).toMatchObject({ code: 2 })
    expect(await runOps(shop, 'doctor', '--quick')).toMatchObject({ code: 2 })
  })
})

describe('the settings', () => {
  it('are all told at once, and hide nothing that does not need them', async () => {
    const said = await examined({ OPS_PASSWORD: 'short', STRIPE_WEBHOOK_SECRET: undefined, PAYMENT_MAX_AMOUNT: 'much' })
    const wrong = findingsOf(said, 'settings').map(({ text }) => text.split(':')[0])
    expect([...new Set(wrong)]).toEqual(['OPS_PASSWORD', 'PAYMENT_MAX_AMOUNT', 'STRIPE_WEBHOOK_SECRET'])
    expect(statesOf(said, 'unseen')).toEqual(['products'])
    expect(statesOf(said, 'must')).toEqual(['settings'])
    const nothing = await examine({ env: {} })
    expect(statesOf(nothing, 'must')).toEqual(['settings'])
    expect(statesOf(nothing, 'fine')).toEqual([])
  })

  it('can be looked at whichever of them are missing or wrong', () => {
    const variables = allSettings.map(({ variable }) => variable)
    const wrong = fc.dictionary(fc.constantFrom(...variables), fc.constantFrom('', '!', 'a b', 'http://[', '-1'))
    fc.assert(
      fc.property(fc.subarray(variables), wrong, (kept, broken) => {
        const env = { ...Object.fromEntries(kept.map(name => [name, shop.stack.env[name]])), ...broken }
        const read = readSettings(env)
        const starts = () => loadConfig(env)
        if (read.problems.length === 0) expect(read.config).toEqual(starts())
        else expect(starts).toThrow(read.problems[0])
      }),
      { numRuns: 60 }
    )
  })
})

it('shows no secret, whatever an error says', () => {
  const hide = hiding(['postgresql://ada:p%40ss-word@db/shop', 'key-of-now, key-of-before', 'short'])
  expect(hide('no p@ss-word, p%40ss-word, key-of-before; postgresql://ada:p%40ss-word@db/shop; shorter')).toBe(
    'no ***, ***, ***; ***; shorter'
  )
})

describe('the database', () => {
  it('may be away: all that does not need it is looked at', async () => {
    const said = await examined({
      DATABASE_URL: databaseUrl(url => Object.assign(url, { hostname: 'localhost', port: '1' }))
    })
    expect(findingsOf(said, 'database')).toEqual(one('must', /localhost:1 .*ECONNREFUSED.* Does it run/))
    expect(statesOf(said, 'must')).toEqual(['database'])
    expect(statesOf(said, 'unseen')).toEqual([
      'database role',
      'database time zone',
      'migrations',
      'pooler',
      'queue store',
      'products',
      'attention',
      'maintenance',
      'audit trail'
    ])
    expect(statesOf(said, 'fine')).toContain('stripe permissions')
  })

  it('may say nothing: the look ends all the same', async () => {
    const proxy = await startTcpProxy(shop.stack.config.database.url)
    proxy.silence()
    try {
      const began = Date.now()
      const said = await examined({ DATABASE_URL: proxy.url(shop.stack.config.database.url) })
      expect(Date.now() - began).toBeLessThan(20_000)
      expect(statesOf(said, 'must')).toEqual(['database'])
      expect(statesOf(said, 'fine')).toContain('webhook endpoint')
    } finally {
      await proxy.close()
    }
  })

  it.each([
    ['another password', (url: URL) => (url.password = 'not that one'), /user and the password/],
    ['another database', (url: URL) => (url.pathname = '/of_nobody'), /Create the database/]
  ])('is not the one that is meant: %s', async (_what, change, text) => {
    const changes = { DATABASE_URL: databaseUrl(url => void change(url)), DATABASE_ROLE: 'none' }
    expect(await finds('database', changes)).toEqual(one('must', text))
  })

  it('takes no writes', async () => {
    const { database } = new pg.Client(shop.stack.config.database.url)
    await asOwner(shop, `ALTER DATABASE "${database}" SET default_transaction_read_only = on`)
    try {
      expect(await finds('database', { DATABASE_ROLE: 'none' })).toEqual(one('must', /takes no writes/))
    } finally {
      await asOwner(shop, `BEGIN READ WRITE; ALTER DATABASE "${database}" RESET default_transaction_read_only; COMMIT`)
    }
  })

  it('lets the application do too much, or too little', async () => {
    expect(await finds('database role', { DATABASE_ROLE: 'none' })).toEqual(one('should', /superuser/))
    expect(await finds('database', { DATABASE_ROLE: 'nobody_knows' })).toEqual(one('must', /has to exist/))
    const name = `doctor_${Date.now()}`
    await asOwner(shop, `CREATE ROLE ${name} LOGIN PASSWORD 'of the doctor'; GRANT SELECT ON "Product" TO ${name}`)
    try {
      const own = {
        DATABASE_URL: databaseUrl(url => Object.assign(url, { username: name, password: 'of the doctor' })),
        DATABASE_ROLE: 'none'
      }
      const few = await examined(own)
      expect(findingsOf(few, 'database role')).toEqual(
        one('must', /lacks .*"Alert".* and \d+ more: run npm run db:mig/)
      )
      expect(findingsOf(few, 'queue store')).toEqual(one('must', /may not use the schema bullmq/))
      await asOwner(shop, `GRANT tillworks_app TO ${name}; GRANT UPDATE ("error") ON "PaymentAuditLog" TO ${name}`)
      expect(await finds('database role', own)).toEqual(one('should', /UPDATE on "PaymentAuditLog"/))
      await asOwner(shop, `REVOKE UPDATE ("error") ON "PaymentAuditLog" FROM ${name}`)
      expect(await finds('database role', own)).toEqual(FINE)
    } finally {
      await asOwner(shop, `DROP OWNED BY ${name}; DROP ROLE ${name}`)
    }
  })

  it('may have a time zone in which Prisma would read times wrong: our own connections say what they want', async () => {
    const { database } = new pg.Client(shop.stack.config.database.url)
    await asOwner(shop, `ALTER DATABASE "${database}" SET TimeZone = 'America/New_York'`)
    try {
      expect(await finds('database time zone', { DATABASE_ROLE: 'none' })).toEqual(FINE)
      expect(await finds('database time zone')).toEqual(FINE)
      const { config, log } = shop.stack.services
      const db = openDatabase({ ...config.database, log, name: 'test' })
      const [byPrisma] = await db.prisma.product.findMany({ take: 1 })
      const { rows } = await db.pool.query('SELECT "createdAt" FROM "Product" WHERE "id" = $1', [byPrisma?.id])
      await db.close()
      expect(byPrisma?.createdAt).toEqual(rows[0].createdAt)
    } finally {
      await asOwner(shop, `ALTER DATABASE "${database}" RESET TimeZone`)
    }
  })

  it('has migrations pending, broken off, or from a later release', async () => {
    const last = migrationNames().at(-1)
    const migration = (change: string) => asOwner(shop, `UPDATE "_prisma_migrations" SET ${change}`)
    const isLast = `WHERE "migration_name" = '${last}'`
    await migration(`"finished_at" = NULL ${isLast}`)
    expect(await finds('migrations')).toEqual(one('must', `${last} broke off`))
    await migration(`"rolled_back_at" = now() ${isLast}`)
    expect(await finds('migrations')).toEqual(
      one('must', `1 of ${migrationNames().length} pending, the first is ${last}`)
    )
    await migration(
      `"finished_at" = now(), "rolled_back_at" = NULL, "migration_name" = '20991231000000_later' ${isLast}`
    )
    expect((await finds('migrations')).map(({ state }) => state)).toEqual(['must', 'should'])
    await migration(`"migration_name" = '${last}' WHERE "migration_name" = '20991231000000_later'`)
    expect(await finds('migrations')).toEqual(FINE)
  })

  it('is behind a pooler in transaction mode', async () => {
    const pooler = await startTransactionPooler(shop.stack.config.database.url)
    try {
      const onRedis = { QUEUE_ENGINE: undefined, REDIS_URL: `redis://127.0.0.1:${await freePort()}` }
      expect(await finds('pooler', { DATABASE_URL: pooler.url, ...onRedis })).toEqual(one('should', /are polled/))
      const said = await examined({ DATABASE_URL: pooler.url })
      expect(findingsOf(said, 'pooler')).toEqual(one('must', /transaction mode.*QUEUE_ENGINE=postgres/))
      expect(statesOf(said, 'fine')).toContain('database role')
    } finally {
      await pooler.close()
    }
  })
})

describe('the queue store', () => {
  let redis: PrivateRedis | undefined
  let client: Redis
  beforeAll(async () => {
    redis = await startPrivateRedis()
    if (redis !== undefined) client = new Redis(redis.url)
  })
  afterAll(async () => {
    client?.disconnect()
    await redis?.stop()
  })
  const onRedis = () => ({ QUEUE_ENGINE: undefined, REDIS_URL: redis?.url })
  const itWithRedis = process.env.TEST_REDIS_URL ? it : it.skip

  itWithRedis('may forget jobs', async () => {
    expect(await finds('queue store', onRedis())).toEqual(one('should', /no append-only file/))
    await client.config('SET', 'maxmemory-policy', 'allkeys-lru')
    expect((await finds('queue store', onRedis())).map(({ state, text }) => [state, text.split(',')[0]])).toEqual([
      ['must', 'maxmemory-policy is allkeys-lru'],
      ['should', expect.stringContaining('append-only')]
    ])
    await client.config('SET', 'maxmemory-policy', 'noeviction')
    await client.config('SET', 'maxmemory', '1mb')
    expect(await finds('queue store', onRedis())).toContainEqual(one('should', /80 %/)[0])
    await client.config('SET', 'maxmemory', '0')
  })

  itWithRedis('may be a replica', async () => {
    await client.call('REPLICAOF', '127.0.0.1', '1')
    expect(await finds('queue store', onRedis())).toContainEqual(one('must', /replica/)[0])
    await client.call('REPLICAOF', 'NO', 'ONE')
  })

  itWithRedis('may want a password', async () => {
    await client.config('SET', 'requirepass', 'a password of Redis')
    try {
      const url = new URL(redis?.url ?? '')
      url.password = 'another password'
      expect(await finds('queue store', { ...onRedis(), REDIS_URL: url.href })).toEqual(one('must', /WRONGPASS/))
    } finally {
      await client.config('SET', 'requirepass', '')
    }
  })

  it('may be away', async () => {
    const url = `redis://:secret-of-redis@127.0.0.1:${await freePort()}`
    const said = await examined({ QUEUE_ENGINE: undefined, REDIS_URL: url })
    expect(findingsOf(said, 'queue store')).toEqual(one('must', /ECONNREFUSED.*Does it run/))
    expect(statesOf(said, 'unseen')).toEqual([])
  })

  it('is made at the first start on PostgreSQL, by a login that may', async () => {
    const server = process.env.TILLWORKS_TEST_POSTGRES ?? ''
    const name = `test_doctor_${process.pid}`
    const url = server.replace(/\/postgres$/, `/${name}`)
    await administer(server, `CREATE DATABASE "${name}" TEMPLATE template_tillworks`)
    try {
      await administer(url, 'DROP SCHEMA bullmq CASCADE')
      expect(await finds('queue store', { DATABASE_URL: url })).toEqual(one('fine', /made at the first start/))
    } finally {
      await administer(server, `DROP DATABASE "${name}" WITH (FORCE)`)
    }
  })
})

/** What a restricted key needs, as the simulator names it. */
function needed(): string[] {
  return [
    'checkout_session_write',
    'payment_intent_write',
    'charge_write',
    'dispute_read',
    'balance_transaction_source_read',
    'event_read'
  ]
}

describe('Stripe', () => {
  it('may be away, or not take the key: the rest is looked at', async () => {
    for (const changes of [
      { STRIPE_API_BASE: await nobodyThere() },
      { STRIPE_SECRET_KEY: 'sk_live_of_another_shop' }
    ]) {
      const said = await examined(changes)
      expect(statesOf(said, 'must')).toEqual(['stripe key'])
      expect(statesOf(said, 'unseen')).toEqual(['stripe permissions', 'stripe account', 'webhook endpoint'])
    }
    shop.stack.simulator?.faults.set({ refuseKey: 401 })
    expect(await finds('stripe key')).toEqual(one('must', /Expired API Key.*Copy the key again/))
  })

  it('has a key of the other mode', async () => {
    expect(await finds('stripe key', { STRIPE_SECRET_KEY: 'sk_live_of_another_shop' })).toContainEqual(
      one('must', /live key charges real cards/)[0]
    )
    expect(modeFindings({ livemode: false, production: true })).toEqual(one('should', /charges nobody/))
    expect(modeFindings({ livemode: true, production: true })).toEqual([])
  })

  it('names each permission that a restricted key lacks, and what it is for', async () => {
    const titles: Record<string, string> = {
      checkout_session_write: "Checkout Sessions Write ('checkout_session_write')",
      payment_intent_write: "PaymentIntents Write ('payment_intent_write')",
      charge_write: "Charges and Refunds Write ('charge_write')",
      dispute_read: "Disputes Read ('dispute_read')",
      balance_transaction_source_read: "Balance Transaction Sources Read ('balance_transaction_source_read')",
      event_read: "Events Read ('event_read')"
    }
    await fc.assert(
      fc.asyncProperty(fc.subarray(needed(), { maxLength: needed().length - 1 }), async granted => {
        shop.stack.simulator?.faults.set({ permissions: granted })
        const findings = await finds('stripe permissions')
        expect(findings.map(({ state }) => state)).toEqual(findings.map(() => 'must'))
        const text = findings.map(finding => finding.text).join('\n')
        for (const permission of needed()) {
          expect([permission, text.includes(titles[permission] ?? '')]).toEqual([
            permission,
            !granted.includes(permission)
          ])
        }
      }),
      { numRuns: 12 }
    )
    shop.stack.simulator?.faults.set({ permissions: needed() })
    const said = await examined()
    expect(statesOf(said, 'must')).toEqual([])
    expect(findingsOf(said, 'stripe permissions')).toEqual(FINE)
    expect(findingsOf(said, 'webhook endpoint')).toEqual(one('should', /Webhook Endpoints Read/))
  })

  it('reads the permission in whichever words Stripe names it', () => {
    const key = "The provided key 'rk_live_***' does not have the required permissions for this endpoint"
    const said = {
      [`${key} on account 'acct_1'. Having the 'rak_dispute_read' permission would allow this request to continue.`]:
        "'rak_dispute_read'",
      [`${key}. Having the 'rak_payment_intent_read', 'rak_checkout_session_read' permissions would allow this request to continue.`]:
        "'rak_payment_intent_read', 'rak_checkout_session_read'",
      [`Permission denied. ${key}. Enabling "Prices Read" ('plan_read') permissions on this key would allow this request to continue.`]:
        "Prices Read ('plan_read')",
      [`Permission denied. ${key}. Enabling Coupons Write ('coupon_write') permissions on this key would allow this request.`]:
        "Coupons Write ('coupon_write')",
      'Something else.': 'Something else.'
    }
    for (const [message, permission] of Object.entries(said)) expect(permissionsIn(message)).toBe(permission)
  })

  it('is asked with each call that the code makes', () => {
    const made = sources('shared', 'workers', 'api')
      // The doctor's own, and those of `ops product import --from stripe`, whose own key may be another one.
      .filter(file => !/shared\/(?:doctor|catalogue)\//.test(file))
      .flatMap(file => [...readFileSync(file, 'utf8').matchAll(/stripe\.((?:\w+\.)+)(\w+)\(/g)])
      .map(([, resource = '', method]) => {
        const isRead = method === 'list' || method === 'retrieve'
        return isRead ? resource.slice(0, -1) : `${resource}${method}`
      })
    expect(made.length).toBeGreaterThan(20)
    expect([...new Set(made)].sort()).toEqual(stripeCalls.map(({ call }) => call).sort())
  })

  it('is left as it was', async () => {
    const { stripe } = shop.stack.services
    const all = async () => [
      await stripe.events.list(),
      await stripe.checkout.sessions.list(),
      await stripe.refunds.list(),
      await stripe.paymentIntents.list()
    ]
    const before = await all()
    await examined()
    expect(await all()).toEqual(before)
  })

  it('pays out in another currency', async () => {
    expect(await finds('stripe account', { PAYMENT_CURRENCY: 'CHF' })).toEqual(one('should', /EUR.*CHF.*converts/))
  })
})

describe('the webhook endpoint', () => {
  it('is not sent all that is needed', async () => {
    await fc.assert(
      fc.asyncProperty(fc.subarray([...neededEventTypes], { maxLength: 24 }), async enabled => {
        endpoint.enabledEvents = [...enabled, 'customer.created']
        const [finding, ...more] = await finds('webhook endpoint')
        expect([finding?.state, more]).toEqual(['must', []])
        const named = / is not sent (.*): add them/.exec(finding?.text ?? '')?.[1]?.split(', ')
        expect(named).toEqual(neededEventTypes.filter(type => !enabled.includes(type)))
      }),
      { numRuns: 8 }
    )
    endpoint.enabledEvents = [...neededEventTypes]
    expect(await finds('webhook endpoint')).toEqual(one('fine', /all 25 events that are needed/))
  })

  it('is disabled, or of another API version', async () => {
    endpoint.status = 'disabled'
    expect(await finds('webhook endpoint')).toEqual(one('must', /is disabled: enable it/))
    Object.assign(endpoint, { status: 'enabled', apiVersion: '2019-12-03' })
    expect(await finds('webhook endpoint')).toEqual(one('should', /2019-12-03.*register it anew/))
    endpoint.apiVersion = null
    expect(await finds('webhook endpoint')).toEqual(one('should', /account's default/))
  })

  it('is somewhere else', async () => {
    const own = await finds('webhook endpoint', {}, { webhookUrl: endpoint.url })
    expect(own).toEqual(FINE)
    const webhookUrl = 'https://pay.shop.example/api/stripe/webhook'
    expect(await finds('webhook endpoint', {}, { webhookUrl })).toEqual(one('should', `register ${webhookUrl}`))
  })

  it('is described in the README as it is needed', () => {
    const readme = readFileSync('README.md', 'utf8')
    const list = /Enable these on the endpoint[^:]*: ([\s\S]*?)\.\n\n/.exec(readme)?.[1] ?? ''
    let group = ''
    const named = list.split(/[,·]/).map(part => {
      const name = part.replaceAll('`', '').trim()
      if (!name.startsWith('.')) group = name.slice(0, name.lastIndexOf('.'))
      return name.startsWith('.') ? `${group}${name}` : name
    })
    expect(named.sort()).toEqual([...neededEventTypes].sort())
  })
})

describe('the clocks', () => {
  it.each([
    [0, []],
    [1_000, []],
    [-1_000, []],
    [15_000, ['should', 'should']],
    [-15_000, ['should', 'should']],
    [600_000, ['must', 'must']],
    [-600_000, ['must', 'must']]
  ])('say when this machine is %d ms ahead', async (ahead, states) => {
    const findings = await finds('clocks', {}, { now: () => new Date(Date.now() + ahead) })
    expect(findings.map(({ state }) => state)).toEqual(states.length === 0 ? ['fine'] : states)
    const way = ahead > 0 ? 'ahead of' : 'behind'
    for (const { text } of states.length === 0 ? [] : findings) expect(text).toContain(way)
  })

  it('are each compared, also when the key is refused', async () => {
    stripeAhead = 120_000
    shop.stack.simulator?.faults.set({ refuseKey: 401 })
    expect(await finds('clocks')).toEqual(one('must', /behind Stripe's/))
    expect(await finds('clocks', { DATABASE_URL: undefined, STRIPE_API_BASE: await nobodyThere() })).toEqual(
      one('unseen', /neither/)
    )
  })
})

describe('the sign-in', () => {
  let issuer: AnsweringServer
  beforeAll(async () => {
    issuer = await startAnsweringServer()
  })
  afterAll(() => issuer.close())
  const withIssuer = (changes: Changes = {}) => ({
    AUTH_JWKS_URL: `${issuer.url}/jwks.json`,
    AUTH_JWT_ISSUER: 'https://login.example',
    AUTH_JWT_AUDIENCE: 'shop',
    ...changes
  })
  const keys = (...all: JWK[]) => issuer.answer((_request, response) => response.end(JSON.stringify({ keys: all })))
  const keyOf = async (alg: string, named = true): Promise<JWK> => {
    const { publicKey } = await generateKeyPair(alg, { extractable: true })
    return { ...(await exportJWK(publicKey)), ...(named ? { alg } : {}), kid: alg }
  }

  it.each([
    ['RS256', true],
    ['RS256', false],
    ['ES256', false],
    ['EdDSA', false]
  ])('has a key for %s (named: %s)', async (alg, named) => {
    keys(await keyOf(alg, named))
    expect(await finds('sign-in', withIssuer())).toEqual(one('fine', `1 keys at AUTH_JWKS_URL can be used, for ${alg}`))
  })

  it('has no key for an algorithm that is allowed', async () => {
    keys(await keyOf('ES384'), { ...(await keyOf('RS256', false)), use: 'enc' }, { kty: 'EC', crv: 'P-256' })
    expect(await finds('sign-in', withIssuer())).toEqual(one('must', /no key for RS256, ES256, EdDSA among 3/))
  })

  it('has an issuer that is away, fails, or is something else', async () => {
    expect(await finds('sign-in', withIssuer({ AUTH_JWKS_URL: await nobodyThere() }))).toEqual(
      one('must', /cannot be reached \(connect ECONNREFUSED/)
    )
    issuer.answer((_request, response) => response.writeHead(500).end())
    expect(await finds('sign-in', withIssuer())).toEqual(one('must', /it answers 500/))
    issuer.answer((_request, response) => response.end('<html>'))
    expect(await finds('sign-in', withIssuer())).toEqual(one('must', /no JSON Web Key Set/))
    issuer.answer(() => undefined)
    expect(await finds('sign-in', withIssuer())).toEqual(one('must', /did not answer in 5 s/))
  })
})

describe('the origins', () => {
  it('are asked, each', async () => {
    const origin = await nobodyThere()
    expect(await finds('origins', { ALLOWED_ORIGINS: `${receiver.url},${origin}` })).toEqual(
      one('should', `${origin} does not answer`)
    )
    expect(await finds('origins', { ALLOWED_ORIGINS: undefined })).toEqual(one('should', /ALLOWED_ORIGINS is empty/))
  })

  it('are https in production', async () => {
    const changes = {
      NODE_ENV: 'production',
      ALLOWED_ORIGINS: 'http://shop.example,https://*.shop.example,capacitor://localhost,http://localhost',
      PAYMENT_SUCCESS_URL: 'http://shop.example/thanks',
      PAYMENT_CANCEL_URL: 'http://shop.example/cart'
    }
    expect(await finds('origins', changes)).toEqual(one('must', 'http://shop.example is not https'))
  })
})

describe('the notifications', () => {
  it('are tried with a signed ping that is about no order', async () => {
    expect(await finds('notifications')).toEqual(FINE)
    expect(taken).toEqual([{ type: 'ping', timestamp: expect.any(String), data: {} }])
  })

  it.each([
    ['fails', 500],
    ['moves', 302],
    ['is not there', 404],
    ['does not take our signature', 400]
  ])('are not taken: the shop %s', async (_what, status) => {
    receiver.answer((_request, response) => response.writeHead(status).end())
    expect(await finds('notifications')).toEqual(one('must', `answers ${status} to a signed ping`))
  })

  it('are not answered, or go nowhere', async () => {
    receiver.answer(() => undefined)
    expect(await finds('notifications')).toEqual(one('must', /did not answer in 10 s/))
    expect(await finds('notifications', { ORDER_WEBHOOK_URL: await nobodyThere() })).toEqual(
      one('must', /ECONNREFUSED/)
    )
    expect(await finds('notifications', { ORDER_WEBHOOK_URL: undefined, ORDER_WEBHOOK_SECRET: undefined })).toEqual(
      one('should', /told nothing/)
    )
  })

  it('are believed from anybody', async () => {
    receiver.answer((_request, response) => response.writeHead(200).end())
    expect(await finds('notifications')).toEqual(one('should', /wrong signature/))
  })
})

describe('the shop', () => {
  it('has products that nobody can buy', async () => {
    expect(await finds('products', { PAYMENT_CURRENCY: 'CHF' })).toEqual(one('must', /none of 6 has a price in CHF/))
    expect(await finds('products', { PAYMENT_MAX_AMOUNT: '100' })).toEqual(
      one('should', /1 of 6 cost more than 100.00 E/)
    )
    await asOwner(
      shop,
      `INSERT INTO "ProductPrice" ("productId", "currency", "amount") SELECT "id", 'CHF', "price" FROM "Product" LIMIT 4`
    )
    expect(await finds('products', { PAYMENT_CURRENCY: 'CHF' })).toEqual(one('should', /2 of 6 have no price in CHF/))
    expect(await finds('products')).toEqual(one('fine', /^6 to buy in EUR$/))
    await asOwner(shop, `UPDATE "Product" SET "stock" = "reserved"`)
    expect(await finds('products')).toEqual(one('should', /all 6 are sold out/))
    await asOwner(shop, `UPDATE "Product" SET "backorderLimit" = 1 WHERE "slug" = 'desk-lamp'`)
    await asOwner(shop, `UPDATE "Product" SET "trackStock" = false WHERE "slug" = 'stoneware-mug'`)
    expect(await finds('products')).toEqual(one('fine', /4 of them sold out/))
    await asOwner(shop, `UPDATE "Product" SET "active" = false`)
    expect(await finds('products')).toEqual(one('must', /none to buy \(6 are inactive\)/))
    await asOwner(shop, `UPDATE "Product" SET "active" = true, "stock" = "reserved" + 5`)
  })

  it('has something that waits for a person', async () => {
    await asOwner(
      shop,
      `INSERT INTO "Alert" ("id", "name", "context") VALUES ('one', 'stuck_event', '{}'), ('two', 'stuck_event', '{}')`
    )
    await asOwner(
      shop,
      `INSERT INTO "WebhookEvent" ("id", "type", "livemode", "created", "payload", "status", "requestId")
       VALUES ('evt_of_the_doctor', 'charge.failed', false, now(), '{}', 'DEAD', 'test')`
    )
    expect((await finds('attention')).map(({ text }) => text)).toEqual([
      expect.stringMatching(/stuck_event \(2\): npm run ops -- attention/),
      '1 dead events: npm run ops -- events list --status dead'
    ])
    await asOwner(shop, `DELETE FROM "WebhookEvent" WHERE "id" = 'evt_of_the_doctor'`)
    await asOwner(shop, `DELETE FROM "Alert"`)
  })

  it('is closed', async () => {
    expect((await runOps(shop, 'maintenance', 'on', '--message', 'Back soon')).code).toBe(0)
    expect(await finds('maintenance')).toEqual(one('should', /Back soon.*maintenance off/))
    await runOps(shop, 'maintenance', 'off')
    expect(await finds('maintenance', { MAINTENANCE: 'true' })).toEqual(one('should', /MAINTENANCE=true/))
  })

  it('keeps its trail longer than its settings say', async () => {
    const changes = { LOG_RETENTION_DAYS: '180', DATA_RETENTION_DAYS: '31' }
    expect((await finds('audit trail', changes)).map(({ text }) => text.split(' ')[0])).toEqual([
      'LOG_RETENTION_DAYS=180',
      'DATA_RETENTION_DAYS=31'
    ])
    expect(await finds('audit trail', { NODE_ENV: 'production' })).toEqual(one('should', /AUDIT_SIGNING_KEY/))
  })
})

function sources(...folders: string[]): string[] {
  return folders.flatMap(folder =>
    readdirSync(folder, { recursive: true, encoding: 'utf8' })
      .filter(name => name.endsWith('.ts'))
      .map(name => join(folder, name))
  )
}
