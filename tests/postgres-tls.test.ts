// PostgreSQL as hosts give it: over TLS alone, with certificates, and with passwords that change. A real server, tried with
// whole shops where a purchase is to go through, else with single connections.
import { execFileSync } from 'node:child_process'
import {
  chmodSync,
  chownSync,
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync
} from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { TLSSocket } from 'node:tls'
import fc from 'fast-check'
import pg from 'pg'
import Stripe from 'stripe'
import { type EmbeddedPostgres, unprivilegedUser } from '../local/embedded-postgres.js'
import { eventually } from '../local/eventually.js'
import { freePort } from '../local/free-port.js'
import { startThrowAwayPostgres } from '../local/throw-away-postgres.js'
import { loadConfig } from '../shared/config/config.js'
import type { Access } from '../shared/database/access.js'
import { type BoundedClient, connectBounded } from '../shared/database/bounded-client.js'
import { isDatabaseUnavailable, openPool } from '../shared/database/database.js'
import { createLogger } from '../shared/logger.js'
import { makeCertificates } from './support/certificates.js'
import { runOps } from './support/ops.js'
import { buy } from './support/purchase.js'
import { ENOUGH } from './support/settings.js'
import { openShop, type Shop, WEBHOOK_SECRET, withShop } from './support/shop.js'
import { startTcpProxy } from './support/tcp-proxy.js'

const PATIENCE = 60_000
const ANSWER_WITHIN = 10_000
const SIGNED_IN = 'SELECT current_user AS "user", ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()'

const folder = mkdtempSync(join(tmpdir(), 'tillworks-postgres-tls-'))
const file = (name: string) => join(folder, name)
let server: EmbeddedPostgres
let admin: BoundedClient

/** It takes the test's administration of the database `postgres` without TLS, and nothing else. */
const HBA = `host postgres tillworks 127.0.0.1/32 scram-sha-256
hostssl all certified 127.0.0.1/32 scram-sha-256 clientcert=verify-full
hostssl all known 127.0.0.1/32 cert
hostssl all anybody 127.0.0.1/32 trust
hostssl all all 127.0.0.1/32 scram-sha-256
`

beforeAll(async () => {
  chmodSync(folder, 0o755)
  makeCertificates(folder, { server: 'DNS:localhost,DNS:db.shop.example', certified: 'DNS:app', known: 'DNS:app' })
  mkdirSync(file('other'))
  makeCertificates(file('other'), { certified: 'DNS:app' })
  writeFileSync(file('hba'), HBA)
  const user = unprivilegedUser()
  if (user !== undefined) for (const name of ['hba', 'server.key']) chownSync(file(name), user.uid, user.gid)
  server = await startThrowAwayPostgres({
    settings: {
      ssl: 'on',
      ssl_cert_file: file('server.pem'),
      ssl_key_file: file('server.key'),
      ssl_ca_file: file('ca.pem'),
      ssl_min_protocol_version: 'TLSv1.3',
      hba_file: file('hba')
    }
  })
  admin = await connectBounded(server.url('postgres'), ANSWER_WITHIN)
  await admin.query(`
    CREATE ROLE certified LOGIN PASSWORD 'secret';
    CREATE ROLE known LOGIN;
    CREATE ROLE anybody LOGIN;
    CREATE ROLE reader LOGIN PASSWORD 'secret';
    ALTER ROLE reader SET default_transaction_read_only = on`)
})
afterAll(async () => {
  await admin?.end()
  await server?.stop()
  rmSync(folder, { recursive: true })
})

/** A connection string of `user`, over the name that the certificate has. */
function urlOf(query: string, { user = 'tillworks', password = ownPassword(), host = 'localhost' } = {}): string {
  const login = [user, password].map(encodeURIComponent).join(':')
  return `postgresql://${login}@${host}:${new URL(server.url('postgres')).port}/template1${query}`
}

const ownPassword = () => new URL(server.url('postgres')).password
const signing = (user: string, place = folder) => `&sslcert=${join(place, user)}.pem&sslkey=${join(place, user)}.key`

/** How a connection is signed in, or what it is refused with. */
async function signIn(access: Access | string): Promise<unknown> {
  const client = await connectBounded(access, ANSWER_WITHIN).catch((error: Error) => error)
  if ('message' in client) {
    expect(isDatabaseUnavailable(client)).toBe(true)
    return client.message
  }
  try {
    return (await client.query(SIGNED_IN)).rows[0]
  } finally {
    await client.end()
  }
}

const encrypted = { user: 'tillworks', ssl: true }

describe('sslmode', () => {
  it.each([
    ['?sslmode=verify-full', 'localhost', 'ca.pem'],
    ['', 'localhost', 'ca.pem'],
    ['?sslmode=verify-full&sslnegotiation=direct', 'localhost', 'ca.pem'],
    ['?sslmode=verify-full&hostaddr=127.0.0.1', 'db.shop.example', 'ca.pem'],
    ['?sslmode=verify-ca', '127.0.0.1', 'ca.pem'],
    ['?sslmode=verify-full&channel_binding=require', 'localhost', 'ca.pem'],
    ['?sslmode=verify-full&channel_binding=disable', 'localhost', 'ca.pem'],
    ['?sslmode=require', '127.0.0.1', undefined],
    ['?ssl=true', '127.0.0.1', undefined]
  ])('"%s" to %s with the authority %s connects, encrypted', async (query, host, ca) => {
    expect(await signIn({ url: urlOf(query, { host }), caFile: ca && file(ca) })).toEqual(encrypted)
  })

  it('takes the authority from sslrootcert', async () => {
    expect(await signIn(urlOf(`?sslmode=verify-full&sslrootcert=${file('ca.pem')}`))).toEqual(encrypted)
  })

  const UNKNOWN = /certificate.*name the authority of its host in DATABASE_CA_FILE, or in sslrootcert$/
  const ANOTHER_HOST = /altnames.*a name that is in it into DATABASE_URL.*sslmode=verify-ca/
  const WANTS_TLS =
    /no encryption\. pg_hba\.conf has no line .* If the server has TLS, write sslmode=verify-full into DATABASE_URL.*DATABASE_CA_FILE/
  it.each([
    ['?sslmode=verify-full', 'localhost', 'other/ca.pem', UNKNOWN],
    ['?sslmode=verify-full', 'localhost', undefined, UNKNOWN],
    ['?sslmode=verify-ca', 'localhost', undefined, UNKNOWN],
    ['?sslmode=verify-ca', 'localhost', 'other/ca.pem', UNKNOWN],
    ['?sslmode=require', 'localhost', 'other/ca.pem', UNKNOWN],
    ['', 'localhost', 'other/ca.pem', UNKNOWN],
    ['?sslmode=verify-full', '127.0.0.1', 'ca.pem', ANOTHER_HOST],
    ['', '127.0.0.1', 'ca.pem', ANOTHER_HOST],
    ['?sslmode=verify-full&hostaddr=127.0.0.1', 'other.shop.example', 'ca.pem', ANOTHER_HOST],
    ['?sslmode=verify-full&hostaddr=127.0.0.1', '192.0.2.1', 'ca.pem', ANOTHER_HOST],
    [
      '?sslmode=require&ssl_max_protocol_version=TLSv1.2',
      'localhost',
      undefined,
      /change ssl_min_protocol_version or ssl_max/
    ],
    ['', 'localhost', undefined, WANTS_TLS],
    ['?sslmode=disable', 'localhost', undefined, WANTS_TLS]
  ])('"%s" to %s with the authority %s is refused with what to do', async (query, host, ca, sentence) => {
    expect(await signIn({ url: urlOf(query, { host }), caFile: ca && file(ca) })).toMatch(sentence)
  })

  it('never falls back to plain text: of what is refused, nothing is told', async () => {
    let told = ''
    const hear = (data: Buffer) => {
      told += data.toString('latin1')
      return data
    }
    const [encrypting, plain] = [
      await startTcpProxy(server.url('postgres'), hear),
      await startTcpProxy(process.env.TILLWORKS_TEST_POSTGRES ?? '', hear)
    ]
    try {
      const modes = ['verify-full', 'verify-ca', 'require']
      for (const mode of modes) {
        expect(await signIn(`${plain.url(process.env.TILLWORKS_TEST_POSTGRES ?? '')}?sslmode=${mode}`)).toMatch(
          /does not support SSL connections\. The server has no TLS: switch ssl on there, or write sslmode=disable/
        )
      }
      // The request for TLS and no more: https://www.postgresql.org/docs/18/protocol-message-formats.html
      expect(told).toBe('\x00\x00\x00\x08\x04\xd2\x16\x2f'.repeat(modes.length))
      for (const mode of modes)
        await signIn({ url: `${encrypting.url(server.url('postgres'))}?sslmode=${mode}`, caFile: file('other/ca.pem') })
      expect(told).not.toContain('tillworks')
      await signIn(encrypting.url(server.url('postgres')))
      expect(told).toContain('tillworks')
    } finally {
      await Promise.all([encrypting.close(), plain.close()])
    }
  })
})

describe('a certificate of ours', () => {
  const ca = `?sslmode=verify-full&sslrootcert=`
  const certified = (query: string) =>
    signIn(urlOf(`${ca}${file('ca.pem')}${query}`, { user: 'certified', password: 'secret' }))

  it('is sent where the server asks for it, beside a password or in its place', async () => {
    expect(await certified(signing('certified'))).toEqual({
      user: 'certified',
      ssl: true
    })
    const known = { user: 'known', password: '' }
    expect(await signIn(urlOf(`${ca}${file('ca.pem')}${signing('known')}`, known))).toEqual({
      user: 'known',
      ssl: true
    })
    const locking = ['pkcs8', '-topk8', '-in', 'known.key', '-out', 'locked.key', '-passout', 'pass:+ %']
    execFileSync('openssl', locking, { cwd: folder, stdio: 'pipe' })
    const locked = `&sslcert=${file('known.pem')}&sslkey=${file('locked.key')}&sslpassword=`
    expect(await signIn(urlOf(`${ca}${file('ca.pem')}${locked}+%20%25`, known))).toEqual({ user: 'known', ssl: true })
    expect(problemsOf({ DATABASE_URL: urlOf(`${ca}${file('ca.pem')}${locked}no`, known) })).toMatch(
      /^DATABASE_URL: names certificates or keys that cannot be used.*do sslkey, sslpassword and sslcert belong together/
    )
  })

  it.each([
    ['none', '', /valid client certificate\. Name a certificate that the server takes, and its key, in sslcert/],
    ['one of another user', 'known', /is the certificate of sslcert made out to that user\?$/],
    ['one of another authority', 'other/certified', /unknown ca.*Name a certificate that the server takes/s]
  ])('which is %s is refused with what to do', async (_which, name, sentence) => {
    expect(await certified(name === '' ? '' : signing(name))).toMatch(sentence)
  })
})

/** The settings of a database that a start is refused with. */
function problemsOf(env: NodeJS.ProcessEnv): string {
  try {
    loadConfig({ ...ENOUGH, QUEUE_ENGINE: 'postgres', ...env })
    return ''
  } catch (error) {
    return (error as { problems: string[] }).problems.join('\n')
  }
}

it('files that cannot be used are refused at the start, by name', () => {
  const url = (query: string) => ({ DATABASE_URL: urlOf(`?sslmode=verify-full${query}`) })
  expect(problemsOf({ ...url(signing('certified')), DATABASE_CA_FILE: file('ca.pem') })).toBe('')
  expect(problemsOf({ ...url(''), DATABASE_CA_FILE: file('hba') })).toMatch(
    /^DATABASE_CA_FILE: expected a file with certificates, not .*hba, which holds no CERTIFICATE in PEM$/
  )
  expect(problemsOf(url(`&sslrootcert=${file('hba')}`))).toMatch(
    /^DATABASE_URL: names .*hba, which holds no CERTIFICATE/
  )
  expect(problemsOf(url(`&sslcert=${file('certified.pem')}&sslkey=${file('known.key')}`))).toMatch(
    /^DATABASE_URL: names a key in sslkey that is not that of the certificate in sslcert$/
  )
  expect(problemsOf(url(`&sslcert=${file('certified.key')}&sslkey=${file('certified.key')}`))).toMatch(
    /certified.key, which holds no CERTIFICATE/
  )
  expect(problemsOf(url(`&sslcrl=${file('ca.pem')}`))).toMatch(/ca.pem, which holds no X509 CRL/)
  expect(problemsOf({ DATABASE_URL: urlOf('?channel_binding=require') })).toMatch(
    /channel_binding=require, which needs TLS/
  )
  expect(problemsOf({ DATABASE_URL: urlOf('?channel_binding=require'), DATABASE_CA_FILE: file('ca.pem') })).toBe('')
})

it('channel_binding=require takes a server only that proves itself by the password', async () => {
  const anybody = { user: 'anybody', password: 'secret' }
  expect(await signIn(urlOf('?sslmode=require', anybody))).toEqual({ user: 'anybody', ssl: true })
  expect(await signIn(urlOf('?sslmode=require&channel_binding=require', anybody))).toMatch(
    /offers no channel binding, which channel_binding=require asks for\. Use TLS/
  )
})

it('channel_binding=require believes nobody who only offers it', async () => {
  // Stands before the server: begins as it does, and then lets everybody in.
  const message = (type: string, ...parts: (number | string)[]) => {
    const body = Buffer.concat(
      parts.map(part => (typeof part === 'string' ? Buffer.from(`${part}\0`) : Buffer.from([0, 0, 0, part])))
    )
    return Buffer.concat([Buffer.from(type), Buffer.from([0, 0, 0, body.length + 4]), body])
  }
  const steps = [
    message('R', 10, 'SCRAM-SHA-256-PLUS', 'SCRAM-SHA-256', ''),
    Buffer.concat([message('R', 0), message('K', 1, 1), Buffer.from('Z\0\0\0\x05I')])
  ]
  const secrets = { key: readFileSync(file('server.key')), cert: readFileSync(file('server.pem')) }
  const impostor = createServer(socket => {
    socket.on('error', () => undefined)
    socket.once('data', () => {
      socket.write('S')
      const tls = new TLSSocket(socket, { isServer: true, ...secrets })
      const left = [...steps]
      tls.on('error', () => undefined)
      tls.on('data', () => tls.write(left.shift() ?? ''))
    })
  })
  const port = await freePort()
  await new Promise<void>(resolve => impostor.listen(port, '127.0.0.1', resolve))
  try {
    const url = (binding: string) =>
      `postgresql://shop:secret@localhost:${port}/x?sslmode=require&channel_binding=${binding}`
    const prefers = await connectBounded(url('prefer'), ANSWER_WITHIN)
    prefers.connection.stream.destroy()
    expect(await signIn(url('require'))).toMatch(/offers no channel binding/)
  } finally {
    await new Promise(resolve => impostor.close(resolve))
  }
})

it('target_session_attrs takes a server only that is what it asks for', async () => {
  const reader = { user: 'reader', password: 'secret' }
  const asking = (attributes: string, login = {}) =>
    signIn(urlOf(`?sslmode=require&target_session_attrs=${attributes}`, login))
  expect(await asking('read-write')).toEqual(encrypted)
  expect(await asking('primary', reader)).toEqual({ user: 'reader', ssl: true })
  expect(await asking('read-write', reader)).toMatch(
    /^The server is read only, not what target_session_attrs=read-write/
  )
  expect(await asking('read-only', reader)).toEqual({ user: 'reader', ssl: true })
  for (const attributes of ['standby', 'read-only'])
    expect(await asking(attributes)).toMatch(/^The server is a primary, not what target_session_attrs=/)
  expect(await asking('prefer-standby')).toEqual(encrypted)
})

describe('what a URL has encoded', () => {
  const TOLD_IN_SEVERAL_WAYS = /it has characters that are told in several ways: use a password of letters, digits/

  it('arrives as it is: users and passwords of any characters', async () => {
    const text = (most: number) =>
      fc.string({ unit: 'grapheme', minLength: 1, maxLength: most }).filter(word => !word.includes('\0'))
    const user = text(30).filter(name => Buffer.byteLength(name) < 60 && !/^(pg_|public$|none$)/.test(name))
    await fc.assert(
      fc.asyncProperty(user, fc.oneof(text(40), fc.string({ minLength: 1 })), async (name, password) => {
        const role = pg.escapeIdentifier(`u${name}`)
        await admin.query(`CREATE ROLE ${role} LOGIN PASSWORD ${pg.escapeLiteral(password)}`)
        try {
          const answer = await signIn(urlOf('?sslmode=require', { user: `u${name}`, password }))
          // The driver prepares some of them otherwise than PostgreSQL does: then it is said.
          if (typeof answer === 'string')
            expect([/[^ -~]/.test(password), answer]).toEqual([true, expect.stringMatching(TOLD_IN_SEVERAL_WAYS)])
          else expect(answer).toEqual({ user: `u${name}`, ssl: true })
        } finally {
          await admin.query(`DROP ROLE ${role}`)
        }
      }),
      {
        numRuns: 40,
        examples: [
          ['+ %2B&=?#/@:', '+ %2B&=?#/@:'],
          ['x', '😀²'],
          ['"\'\\', '"\'\\']
        ]
      }
    )
  })

  it('a plus stays a plus, in options and in passwords', async () => {
    await admin.query(`CREATE ROLE plus LOGIN PASSWORD 'a+b'`)
    const login = (password: string, query = '') =>
      signIn(
        `postgresql://plus:${password}@localhost:${new URL(server.url('postgres')).port}/template1?ssl=true${query}`
      )
    const plus = { user: 'plus', ssl: true }
    expect([await login('a+b'), await login('a%2Bb'), await login('a%2bb')]).toEqual([plus, plus, plus])
    expect(await login('a%20b')).toMatch(/password authentication failed.*Check the user and the password/)
    expect(await login('a+b', '&options=-c%20work_mem%3D8MB%20--jit=off')).toEqual(plus)
    expect(problemsOf({ DATABASE_URL: urlOf('?options=-c+work_mem=8MB') })).toMatch(/options that cannot be read.*%20/)
  })
})

it('where a password was refused, those that wait for a connection of the pool do not knock, too', async () => {
  let knocks = 0
  const proxy = await startTcpProxy(server.url('postgres'), data => {
    // The request for TLS, with which each begins.
    if (data.length === 8) knocks++
    return data
  })
  const pool = openPool({
    url: proxy.url(urlOf('?sslmode=require', { password: 'wrong' })),
    poolSize: 2,
    role: undefined,
    log: createLogger({ level: 'silent', production: true, name: 'test' }),
    name: 'test'
  })
  try {
    const refused = await Promise.allSettled(Array.from({ length: 4 }, () => pool.query('SELECT 1')))
    expect(refused.map(({ status }) => status)).toEqual(refused.map(() => 'rejected'))
    expect(knocks).toBe(2)
  } finally {
    await pool.end()
    await proxy.close()
  }
})

it('a server that asks for a password which nobody has given is told of in words', async () => {
  const url = new URL(urlOf('?sslmode=require'))
  url.password = ''
  expect(await signIn(url.href)).toMatch(
    /asks for a password and there is none\. Write it into DATABASE_URL, or name a file/
  )
  expect(await signIn({ url: url.href, passwordFile: file('none') })).toMatch(/DATABASE_PASSWORD_FILE cannot be read/)
  const signingIn = async () => {
    const { rows } = await admin.query(`SELECT count(*)::int AS count FROM pg_stat_activity WHERE state = 'starting'`)
    return Number(rows[0].count)
  }
  // The server would keep them for a minute (authentication_timeout).
  expect(await eventually(signingIn, count => count === 0)).toBe(0)
})

describe('a shop over TLS', () => {
  const PASSWORD_FILE = file('password')
  const CA_FILE = file('believed.pem')
  let password = 'first'

  const tell = (word: string) => writeFileSync(PASSWORD_FILE, `${word}\n`)
  const change = (word: string) => admin.query(`ALTER ROLE shop PASSWORD ${pg.escapeLiteral(word)}`)
  const cut = () => admin.query(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'shop'`)

  async function openOverTls(): Promise<Shop> {
    copyFileSync(file('ca.pem'), CA_FILE)
    tell(password)
    await admin.query(`CREATE ROLE shop LOGIN CREATEROLE PASSWORD '${password}'`)
    await admin.query('CREATE DATABASE shop OWNER shop')
    const { port } = new URL(server.url('postgres'))
    return await openShop(
      'postgres',
      { DATABASE_CA_FILE: CA_FILE, DATABASE_PASSWORD_FILE: PASSWORD_FILE },
      { database: () => `postgresql://shop@localhost:${port}/shop?sslmode=verify-full&channel_binding=require` }
    )
  }

  async function purchase(shop: Shop): Promise<string> {
    const customer = await shop.customer('ada')
    const bought = await eventually(
      () => buy(customer, 'stoneware-mug', 1).catch(() => undefined),
      answer => answer !== undefined,
      PATIENCE
    )
    const { orderId, url } = bought ?? { orderId: '', url: '' }
    await customer.pay(url)
    await eventually(
      async () => (await customer.orderBecomes(orderId, 'PAID').catch(() => undefined))?.status,
      status => status === 'PAID',
      PATIENCE
    )
    return orderId
  }

  /** What the connections of the shop are, as the server sees them. */
  async function connections(): Promise<{ names: string[]; ssl: boolean[] }> {
    const { rows } = await admin.query<{ name: string; ssl: boolean }>(
      `SELECT DISTINCT application_name AS name, ssl FROM pg_stat_activity JOIN pg_stat_ssl USING (pid) WHERE usename = 'shop'`
    )
    return { names: rows.map(({ name }) => name), ssl: [...new Set(rows.map(({ ssl }) => ssl))] }
  }

  const LISTENING = `SELECT count(*)::int AS count FROM pg_stat_activity WHERE usename = 'shop' AND application_name = 'tillworks-watcher'`

  it('sells, and goes on selling when passwords and authorities are changed while it runs', async () => {
    await withShop(openOverTls(), async shop => {
      const orderId = await purchase(shop)
      const { names, ssl } = await connections()
      expect(ssl).toEqual([true])
      expect(names).toEqual(expect.arrayContaining(['tillworks', 'tillworks-queue', 'tillworks-watcher']))
      const shown = await runOps(shop, 'order', 'show', orderId)
      expect([shown.code, shown.output]).toEqual([0, expect.stringContaining('PAID')])
      const doctor = await runOps(shop, 'doctor')
      expect(doctor.output).toMatch(/PostgreSQL 18.*database shop at localhost/)

      const customer = await shop.customer('ada')
      const deliver = async () => {
        const payload = JSON.stringify({
          id: 'evt_meanwhile',
          object: 'event',
          type: 'customer.created',
          created: Math.floor(Date.now() / 1000),
          livemode: false,
          data: { object: {} }
        })
        const signature = Stripe.webhooks.generateTestHeaderString({ payload, secret: WEBHOOK_SECRET })
        const headers = { 'Stripe-Signature': signature }
        return await customer.request('/api/stripe/webhook', { method: 'POST', body: payload, headers })
      }
      /** While no connection can be made, nothing is accepted, with a hint when to try again, and nothing is lost. */
      const isAway = async () => {
        const seen = new Set<string>()
        const ask = async () => {
          // One that is just being made is cut the next time.
          await cut()
          const requests = ['/api/products', `/api/orders/${orderId}`].map(path => customer.request(path))
          const answers = await Promise.all([...requests, deliver()])
          return answers.map(({ status, headers }) =>
            status === 503 ? `retry after ${headers.get('retry-after')}` : `${status}`
          )
        }
        const isRefused = (answers: string[]) => {
          for (const answer of answers) seen.add(answer)
          return answers.every(answer => /^retry after \d+$/.test(answer))
        }
        const answers = await eventually(ask, isRefused, PATIENCE)
        expect([isRefused(answers), [...seen].filter(answer => answer !== '200')]).toEqual([true, [answers[0]]])
      }
      const isBack = async () => {
        await purchase(shop)
        const listening = () => admin.query<{ count: number }>(LISTENING)
        const found = await eventually(listening, ({ rows }) => rows[0]?.count === 1, PATIENCE)
        expect(found.rows).toEqual([{ count: 1 }])
      }

      password = ' of the file first '
      tell(password)
      await isAway()
      await change(password)
      await isBack()

      password = 'of the server first'
      await change(password)
      await isAway()
      tell(password)
      await isBack()

      rmSync(PASSWORD_FILE)
      await isAway()
      tell(password)
      await isBack()

      copyFileSync(file('other/ca.pem'), CA_FILE)
      await isAway()
      copyFileSync(file('ca.pem'), CA_FILE)
      await isBack()

      expect((await deliver()).status).toBe(200)
      const attention = await runOps(shop, 'attention')
      expect([attention.code, attention.output]).toEqual([0, expect.any(String)])
      const dead = await shop.stack.services.db.prisma.webhookEvent.count({ where: { status: 'DEAD' } })
      expect(dead).toBe(0)
    })
  })
})
