import { get } from 'node:http'
import { eventually } from '../local/eventually.js'
import { freePort } from '../local/free-port.js'
import { data, lineOf } from '../local/shopper.js'
import { alert } from '../shared/audit/alerts.js'
import { startMetricsListener } from '../workers/metrics-listener.js'
import { runOps } from './support/ops.js'
import { openShop, type Shop, withShop } from './support/shop.js'

const OPERATOR = `Basic ${Buffer.from('ops:password of the tests').toString('base64')}`
const VIEWER = `Basic ${Buffer.from('viewer:password of a viewer').toString('base64')}`

let shop: Shop
let base: string
beforeAll(async () => {
  shop = await openShop('postgres', {
    OPS_VIEWER_PASSWORD: 'password of a viewer',
    OPS_PROXY_USER_HEADER: 'X-Forwarded-Email',
    OPS_TRUST_PROXY: '127.0.0.0/8',
    OPS_OPERATORS: 'olga@shop.example'
  })
  base = `http://127.0.0.1:${shop.stack.api.opsPort}`
})
afterAll(() => shop.close())

const ask = (path: string, headers: Record<string, string> = {}, init: RequestInit = {}) =>
  fetch(`${base}${path}`, { redirect: 'manual', ...init, headers })

it('shows nothing of operations on the customers’ listener, and nothing of it to strangers', async () => {
  const customers = `http://127.0.0.1:${shop.stack.api.port}`
  for (const path of ['/ops/board', '/metrics', '/ops/api/attention']) {
    expect((await fetch(`${customers}${path}`, { headers: { authorization: OPERATOR } })).status).toBe(404)
    expect((await ask(path)).status).toBe(401)
  }
})

it('lets a viewer look and an operator change, from their own pages, audited with who and why', async () => {
  const { db, log } = shop.stack.services
  await alert(db.pool, log, 'stuck_checkout', { reason: 'test' })
  const { id } = await db.prisma.alert.findFirstOrThrow()
  const resolve = (headers: Record<string, string>, note = 'looked at it') =>
    ask(
      `/ops/api/alerts/${id}/resolve`,
      { 'Content-Type': 'application/json', ...headers },
      { method: 'POST', body: JSON.stringify({ note }) }
    )
  expect((await ask('/ops/api/attention', { authorization: VIEWER })).status).toBe(200)
  expect((await resolve({ authorization: VIEWER })).status).toBe(403)
  expect((await resolve({ 'X-Forwarded-Email': 'vera@shop.example' })).status).toBe(403)
  expect((await resolve({ authorization: OPERATOR, origin: 'https://evil.example' })).status).toBe(403)
  expect((await resolve({ authorization: OPERATOR, origin: base, 'sec-fetch-site': 'cross-site' })).status).toBe(403)
  expect((await resolve({ authorization: OPERATOR }, '')).status).toBe(400)
  expect((await resolve({ 'X-Forwarded-Email': 'olga@shop.example', origin: base })).status).toBe(200)
  const audit = await db.prisma.paymentAuditLog.findFirstOrThrow({ where: { action: 'alert_resolved' } })
  expect(audit.metadata).toMatchObject({ operator: 'olga@shop.example', note: 'looked at it' })
  expect((await ask('/ops/board/api/queues/sweep/pause', { authorization: VIEWER }, { method: 'PUT' })).status).toBe(
    403
  )
  expect((await ask('/ops/board/api/queues/sweep/pause', { authorization: OPERATOR }, { method: 'PUT' })).status).toBe(
    200
  )
  expect((await ask('/ops/board/api/queues/sweep/resume', { authorization: OPERATOR }, { method: 'PUT' })).status).toBe(
    200
  )
  expect(await db.prisma.paymentAuditLog.count({ where: { action: 'board_action' } })).toBe(2)
})

it('shows a viewer a board without buttons', async () => {
  const queues = async (authorization: string) => {
    const { queues } = (await (await ask('/ops/board/api/queues', { authorization })).json()) as {
      queues: { readOnlyMode: boolean }[]
    }
    return [...new Set(queues.map(queue => queue.readOnlyMode))]
  }
  expect([await queues(VIEWER), await queues(OPERATOR)]).toEqual([[true], [false]])
})

it('gives metrics, and pages that load nothing from elsewhere', async () => {
  const metrics = await (await ask('/metrics', { authorization: VIEWER })).text()
  expect(metrics).toMatch(/tillworks_rows\{what="open alerts"\} \d/)
  expect(metrics).toContain('tillworks_jobs{queue="webhook-processing",state="waiting"} 0')
  const policy = (await ask('/ops/board', { authorization: VIEWER })).headers.get('content-security-policy')
  expect(policy).toContain("default-src 'none'")
  expect(policy).toContain("script-src 'self'")
})

it('shows what workers count when they run apart', async () => {
  const { services } = shop.stack
  const ops = { ...services.config.ops, workersPort: await freePort() }
  const listener = await startMetricsListener(
    { ...services, config: { ...services.config, ops } },
    { troubles: () => [] }
  )
  try {
    const get = (path: string, headers: Record<string, string> = {}) =>
      fetch(`http://127.0.0.1:${listener?.port}${path}`, { headers })
    expect([(await get('/healthz')).status, (await get('/metrics')).status]).toEqual([200, 401])
    const text = await (await get('/metrics', { authorization: VIEWER })).text()
    expect(text).toContain('tillworks_fraud_decisions_total')
    expect(text).toMatch(/tillworks_open_alerts\{name="dead_event"\} \d/)
    expect((await get('/ops/board', { authorization: OPERATOR })).status).toBe(404)
    expect(await startMetricsListener(services, { troubles: () => [] })).toBeUndefined()
  } finally {
    await listener?.close()
  }
})

it('knows who was let in by another process, until a password changes', async () => {
  await withShop(openShop('postgres', { OPS_VIEWER_PASSWORD: 'password of a viewer' }), async other => {
    const { services, api } = other.stack
    const { ops, auth } = services.config
    const cookieOf = (answer: Response) => (answer.headers.get('set-cookie') ?? '').split(';')[0] ?? ''
    const signedIn = await fetch(`http://127.0.0.1:${api.opsPort}/metrics`, { headers: { authorization: OPERATOR } })
    expect(signedIn.status).toBe(200)
    const cookie = cookieOf(signedIn)

    /** Of workers whose line is full: whether they know the browser. */
    const statusAt = async (config: Partial<typeof services.config>) => {
      const settings = { ...services.config, ...config }
      const workersPort = await freePort()
      const listener = await startMetricsListener(
        { ...services, config: { ...settings, ops: { ...settings.ops, workersPort } } },
        { troubles: () => [] }
      )
      const flood = new AbortController()
      const get = (headers: Record<string, string>, signal?: AbortSignal) =>
        fetch(`http://127.0.0.1:${workersPort}/metrics`, { headers, signal })
      const wrong = (text: string) =>
        get({ authorization: `Basic ${Buffer.from(`ops:${text}`).toString('base64')}` }, flood.signal)
      try {
        for (let number = 0; number < 10; number++) await wrong(`guess ${number}`)
        const more = Array.from({ length: 24 }, (_, number) => wrong(`more ${number}`))
        for (const waiting of more) waiting.catch(() => undefined)
        await Promise.race(more)
        return await get({ authorization: OPERATOR, cookie })
      } finally {
        flood.abort()
        await listener?.close()
      }
    }
    const there = await statusAt({})
    expect([there.status, cookieOf(there)]).toEqual([200, cookie])
    const secrets = ['another secret of at least thirty-two characters', ...auth.secrets]
    expect((await statusAt({ auth: { ...auth, secrets } })).status).toBe(200)
    expect((await statusAt({ ops: { ...ops, viewerPassword: 'a changed password' } })).status).toBe(429)
  })
})

it('slows down who guesses passwords, counts each wrong one once, and locks nobody out', async () => {
  const wrong = (text: string) => ({ authorization: `Basic ${Buffer.from(`ops:${text}`).toString('base64')}` })
  const signedIn = await ask('/metrics', { authorization: OPERATOR })
  const pass = (signedIn.headers.get('set-cookie') ?? '').split(';')[0] ?? ''
  // A scraper with an old password, every few seconds.
  for (let number = 0; number < 15; number++) expect((await ask('/metrics', wrong('old'))).status).toBe(401)
  // The mark of who was let in helps no other password.
  const guess = (text: string) => ask('/metrics', { ...wrong(text), cookie: pass })
  for (let number = 1; number < 10; number++) expect((await guess(`guess ${number}`)).status).toBe(401)
  const refused = () =>
    shop.stack.services.db.prisma.paymentAuditLog.findMany({ where: { action: 'operator_refused' } })
  expect((await refused()).map(row => row.ipAddress)).toEqual(Array(10).fill('127.0.0.1'))

  // More than may wait; whoever was let in before is, still.
  const guesses = Array.from({ length: 24 }, (_, number) => ask('/metrics', wrong(`more ${number}`)))
  const full = await Promise.race(guesses)
  expect([full.status, full.headers.get('retry-after')]).toEqual([429, '4'])
  expect((await ask('/metrics', { authorization: OPERATOR, cookie: pass })).status).toBe(200)
  // Those whom the proxy has signed in gave no password.
  expect((await ask('/metrics', { 'X-Forwarded-Email': 'olga@shop.example' })).status).toBe(200)
  // Those that wait end with the listener.
  for (const waiting of guesses) waiting.catch(() => undefined)
})

it('writes no more than sixty wrong passwords a minute, and how many there were besides', async () => {
  await withShop(openShop('postgres'), async other => {
    const { services } = other.stack
    const ops = { ...services.config.ops, workersPort: await freePort() }
    let time = new Date()
    const listener = await startMetricsListener(
      { ...services, now: () => time, config: { ...services.config, ops } },
      { troubles: () => [] }
    )
    const guess = (text: string, localAddress: string) =>
      new Promise<number | undefined>((resolve, reject) => {
        const headers = { authorization: `Basic ${Buffer.from(`ops:${text}`).toString('base64')}` }
        const options = { host: '127.0.0.1', port: ops.workersPort, path: '/metrics', localAddress, headers }
        get(options, answer => {
          answer.resume()
          resolve(answer.statusCode)
        }).on('error', reject)
      })
    try {
      for (let number = 0; number < 75; number++) {
        expect(await guess(`guess ${number}`, `127.0.0.${2 + Math.floor(number / 10)}`)).toBe(401)
      }
      const rows = () =>
        services.db.prisma.paymentAuditLog.findMany({ where: { action: 'operator_refused' }, orderBy: { id: 'asc' } })
      expect(await rows()).toHaveLength(60)
      time = new Date(time.getTime() + 60_000)
      await guess('a minute later', '127.0.0.20')
      expect((await rows()).slice(60).map(row => [row.ipAddress, row.metadata])).toEqual([
        [null, { attempts: 15 }],
        ['127.0.0.20', null]
      ])
    } finally {
      await listener?.close()
    }
  })
})

it('lets the right password in after ten wrong ones', async () => {
  await withShop(openShop('postgres'), async other => {
    const url = `http://127.0.0.1:${other.stack.api.opsPort}/metrics`
    const status = async (password: string) => {
      const authorization = `Basic ${Buffer.from(`ops:${password}`).toString('base64')}`
      return (await fetch(url, { headers: { authorization } })).status
    }
    const statuses: number[] = []
    for (let number = 0; number < 12; number++) statuses.push(await status(`guess ${number}`))
    expect(statuses).toEqual(Array(12).fill(401))
    expect(await status('password of the tests')).toBe(200)
  })
})

it('closes checkouts within a second for maintenance, while webhooks and workers go on', async () => {
  const customer = await shop.customer('late')
  const items = [lineOf(await customer.product('stoneware-mug'), 1)]
  const open = data(await customer.checkout({ items }))
  expect((await runOps(shop, 'maintenance', 'on')).code).toBe(2)
  const until = new Date(Date.now() + 600_000).toISOString()
  expect((await runOps(shop, 'maintenance', 'on', '--message', 'Back at noon', '--until', until)).code).toBe(0)
  const refused = await eventually(
    () => customer.checkout({ items }, { 'Idempotency-Key': 'during' }),
    answer => answer.status === 503
  )
  expect(refused.body).toMatchObject({ success: false, error: 'Maintenance in progress', detail: 'Back at noon' })
  expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(500)
  await customer.pay(open.url ?? '')
  await customer.orderBecomes(open.orderId ?? '', 'PAID')
  expect((await runOps(shop, 'drain')).output).toContain('Nothing is under way')
  expect((await runOps(shop, 'maintenance', 'off')).code).toBe(0)
  const accepted = await eventually(
    () => customer.checkout({ items }, { 'Idempotency-Key': 'after' }),
    answer => answer.status === 200
  )
  expect(accepted.status).toBe(200)
})
