import { type ChildProcess, spawn } from 'node:child_process'
import { chmodSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { Agent, request as httpRequest } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { eventually } from '../local/eventually.js'
import { freePort } from '../local/free-port.js'
import { data, lineOf } from '../local/shopper.js'
import { readSettings } from '../shared/config/config.js'
import { openShop, withShop } from './support/shop.js'

it('says that it stops, ends streams with a hint when to come back, and closes connections, before it takes no more requests', async () => {
  const env = { SHUTDOWN_DELAY_MS: '1500', CHECKOUT_WAIT_MS: '0' }
  await withShop(openShop('postgres', env), async shop => {
    const customer = await shop.customer('ada')
    await shop.stack.stopWorkers()
    const { checkoutId } = data(
      await customer.checkout({ items: [lineOf(await customer.product('stoneware-mug'), 1)] })
    )
    const stream = await customer.request(`/api/stripe/checkout/${checkoutId}/events`)
    const streamed = stream.text()
    expect((await customer.request('/readyz')).status).toBe(200)
    const drained = shop.stack.api.drain()
    expect(await streamed).toMatch(/^event: status\ndata: .*\n\nretry: \d+\n\n$/)
    const readiness = await customer.request('/readyz')
    expect([readiness.status, await readiness.json()]).toEqual([
      503,
      { status: 'not ready', reason: 'the process is stopping' }
    ])
    const late = await customer.checkout({ items: [lineOf(await customer.product('stoneware-mug'), 1)] })
    expect([late.status, await connectionOf(shop.stack.api.port)]).toEqual([202, 'close'])
    await drained
  })
})

function connectionOf(port: number): Promise<string | undefined> {
  return new Promise((resolve, reject) => {
    const agent = new Agent({ keepAlive: true })
    httpRequest({ port, host: '127.0.0.1', path: '/api/products', agent }, response => {
      response.resume().once('end', () => resolve(response.headers.connection))
    })
      .once('error', reject)
      .end()
  })
}

/** PostgreSQL runs as another user when the tests run as root, and has to get in. */
function newHome(): string {
  const home = mkdtempSync(join(tmpdir(), 'tillworks-end-'))
  chmodSync(home, 0o755)
  return home
}

/** The processes of this machine whose environment names `home`. */
function processesOf(home: string): number[] {
  return readdirSync('/proc')
    .filter(name => /^\d+$/.test(name) && Number(name) !== process.pid)
    .map(Number)
    .filter(pid => {
      try {
        return readFileSync(`/proc/${pid}/environ`, 'utf8').split('\0').includes(`TILLWORKS_HOME=${home}`)
      } catch {
        return false
      }
    })
}

const started: ChildProcess[] = []
afterEach(() => {
  for (const child of started.splice(0)) if (child.exitCode === null && child.pid) process.kill(-child.pid, 'SIGKILL')
})

function npm(home: string, args: string[], env: Record<string, string>) {
  const child = spawn('npm', args, {
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { PATH: process.env.PATH, HOME: home, TILLWORKS_HOME: home, ...env }
  })
  started.push(child)
  let output = ''
  child.stdout.on('data', chunk => {
    output += chunk
  })
  child.stderr.on('data', chunk => {
    output += chunk
  })
  return { child, output: () => output, ended: new Promise(resolve => child.once('exit', resolve)) }
}

const onLinux = existsSync('/proc/self/environ') ? describe : describe.skip

onLinux('a signal to npm', () => {
  it.each([
    ['SIGTERM', 'npm alone'],
    ['SIGINT', 'the whole group, as Ctrl-C does']
  ] as const)('%s, sent to %s, ends npm start with all that it has started', async (signal, whom) => {
    const home = newHome()
    try {
      const { child, output, ended } = npm(home, ['start'], { PORT: String(await freePort()) })
      await eventually(
        async () => output(),
        said => said.includes('Tillworks is ready'),
        30_000
      )
      expect(output()).toContain('Tillworks is ready')
      expect(processesOf(home).length).toBeGreaterThan(1)
      process.kill((whom === 'npm alone' ? 1 : -1) * (child.pid ?? 0), signal)
      await ended
      const left = await eventually(
        async () => processesOf(home),
        pids => pids.length === 0,
        15_000
      )
      expect([left, output()]).toEqual([[], expect.stringContaining('the process has stopped')])
    } finally {
      rmSync(home, { recursive: true, force: true })
    }
  })

  it('ends npm run sim', async () => {
    const home = newHome()
    try {
      const { child, output, ended } = npm(home, ['run', 'sim', '--', '--port', String(await freePort())], {})
      await eventually(
        async () => output(),
        said => said.includes('Stripe simulator:'),
        30_000
      )
      child.kill('SIGTERM')
      await ended
      expect(
        await eventually(
          async () => processesOf(home),
          pids => pids.length === 0
        )
      ).toEqual([])
    } finally {
      rmSync(home, { recursive: true, force: true })
    }
  })
})

it('Bull Board asks no other host for anything', async () => {
  await withShop(openShop('postgres'), async shop => {
    const { api, config } = shop.stack
    const authorization = `Basic ${Buffer.from(`${config.ops.user}:${config.ops.password}`).toString('base64')}`
    const page = await (
      await fetch(`http://127.0.0.1:${api.opsPort}/ops/board/`, { headers: { authorization } })
    ).text()
    expect(page).toContain('static/css/')
    expect(page.match(/(?:href|src)="https?:[^"]*/g)).toBeNull()
  })
})

it('a Session of a whole day is asked for ten minutes less, by whose clock it may be', () => {
  const minutes = (asked: string) => readSettings({ CHECKOUT_SESSION_MINUTES: asked }).config.payment.sessionMinutes
  expect(['1440', '1431', '1430', '60'].map(minutes)).toEqual([1_430, 1_430, 1_430, 60])
})
