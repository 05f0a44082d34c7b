import fc from 'fast-check'
import { eventually } from '../local/eventually.js'
import { freePort } from '../local/free-port.js'
import { alert } from '../shared/audit/alerts.js'
import { loadConfig } from '../shared/config/config.js'
import { createLogger } from '../shared/logger.js'
import { reportOf, startErrorReports } from '../shared/runtime/error-reports.js'
import { startAnsweringServer } from './support/answering-server.js'
import { ENOUGH, QUIET } from './support/settings.js'
import { openShop, withShop } from './support/shop.js'

const log = () =>
  createLogger({ level: 'info', production: true, name: 'test', destination: { write: () => undefined } })

interface SentryEvent {
  message?: string
  tags?: Record<string, string>
  extra?: Record<string, unknown>
  exception?: { values: { type: string; value: string; stacktrace?: { frames: { filename?: string }[] } }[] }
}

/** A server that takes envelopes: https://develop.sentry.dev/sdk/foundations/data-model/envelopes/ */
async function startSentry() {
  const server = await startAnsweringServer()
  const bodies: string[] = []
  server.answer((request, response, body) => {
    if (request.url?.startsWith('/api/42/envelope/')) bodies.push(body)
    response.setHeader('Content-Type', 'application/json')
    response.end('{}')
  })
  const events = () =>
    bodies.flatMap(body => {
      const [, header = '{}', payload = '{}'] = body.split('\n')
      return JSON.parse(header).type === 'event' ? [JSON.parse(payload) as SentryEvent] : []
    })
  return { dsn: server.url.replace('http://', 'http://publickey@').concat('/42'), bodies, events, close: server.close }
}

it('reports an alert and an unexpected error with their ids, and nothing of the customer', async () => {
  const sentry = await startSentry()
  try {
    const loud = log()
    await withShop(openShop('postgres', { ...QUIET, SENTRY_DSN: sentry.dsn }, { log: loud }), async shop => {
      const { db } = shop.stack.services
      await alert(db.pool, loud, 'dead_event', {
        orderId: 'order-of-ada',
        userId: 'ada',
        from: { ipAddress: '203.0.113.9', userAgent: 'Mozilla' },
        reason: 'Ada Lovelace, ada@shop.example'
      })
      loud.error(
        {
          err: new TypeError('no "Ada Lovelace" here, Key (name)=(Ada Lovelace)'),
          requestId: 'request-1',
          body: { name: 'Ada' }
        },
        'a request failed unexpectedly'
      )
      await eventually(
        async () => sentry.events().length,
        count => count === 2,
        10_000
      )
    })
    const [alerted, failed] = sentry.events()
    expect([alerted?.tags, alerted?.extra]).toEqual([
      { alert: 'dead_event', process: 'tillworks' },
      { orderId: 'order-of-ada' }
    ])
    expect([failed?.message, failed?.tags]).toEqual([
      'a request failed unexpectedly',
      { requestId: 'request-1', process: 'tillworks' }
    ])
    const [exception] = failed?.exception?.values ?? []
    expect([exception?.type, exception?.value]).toEqual(['TypeError', 'no [quoted] here, Key (name)=[quoted]'])
    expect(exception?.stacktrace?.frames.some(({ filename }) => filename?.includes('error-reports.test'))).toBe(true)
    expect(sentry.bodies.join()).not.toMatch(/Lovelace|shop\.example|203\.0\.113|Mozilla|Square/)
  } finally {
    await sentry.close()
  }
})

it('takes nothing out of a line or an error but what is named, whatever stands in them', () => {
  const secret = fc.stringMatching(/^[a-z]{12}$/).map(text => `SECRET${text}`)
  const quotes = fc.constantFrom('"', "'", '`')
  fc.assert(
    fc.property(secret, quotes, fc.string({ maxLength: 20 }), (hidden, quote, field) => {
      const error = new Error(
        `Key (email)=(${hidden}), ${quote}${hidden}${quote} exists, ${hidden}@shop.example is taken\n at ${hidden} (x.js:1:1)`
      )
      const line = {
        err: error,
        [field || 'body']: field === '' ? hidden : { deep: hidden },
        userId: hidden,
        email: hidden
      }
      expect(JSON.stringify(reportOf(line, 'our own sentence'))).not.toContain(hidden)
    })
  )
})

it('of a Sentry that is away loses only the reports, and says so once', async () => {
  const lines: string[] = []
  const loud = createLogger({
    level: 'info',
    production: true,
    name: 'test',
    destination: { write: line => lines.push(line) }
  })
  const config = loadConfig({
    ...ENOUGH,
    QUEUE_ENGINE: 'postgres',
    SENTRY_DSN: `http://publickey@127.0.0.1:${await freePort()}/42`
  })
  const reports = await startErrorReports(config, 'test', loud)
  for (let round = 0; round < 20; round++) loud.error({ round }, 'something failed')
  const warned = () => lines.filter(line => line.includes('could not be reported'))
  await eventually(
    async () => warned().length,
    count => count > 0
  )
  await reports?.stop()
  expect(warned()).toHaveLength(1)
  expect(lines.filter(line => line.includes('something failed'))).toHaveLength(20)
})

const DSN = [
  ['https://key@sentry.example/1', true],
  ['http://key@127.0.0.1:9000/path/12', true],
  ['https://key:secret@sentry.example/1', true],
  ['https://sentry.example/1', false],
  ['https://key@sentry.example/', false],
  ['https://key@sentry.example/name', false],
  ['key@sentry.example/1', false],
  ['ftp://key@sentry.example/1', false]
] as const

it.each(DSN)('SENTRY_DSN %s: taken is %s', (SENTRY_DSN, taken) => {
  const read = () => loadConfig({ SENTRY_DSN })
  expect(read).toThrow()
  try {
    read()
  } catch (error) {
    expect(String(error).includes('SENTRY_DSN')).toBe(!taken)
    expect(String(error)).not.toContain('key@')
  }
})
