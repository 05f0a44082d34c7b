import { randomBytes } from 'node:crypto'
import { eventually } from '../local/eventually.js'
import { freePort } from '../local/free-port.js'
import { data, lineOf } from '../local/shopper.js'
import { createLogger } from '../shared/logger.js'
import { type AnsweringServer, startAnsweringServer } from './support/answering-server.js'
import { runProgram } from './support/ops.js'
import { QUIET } from './support/settings.js'
import { openShop, plainEngines, type Shop, withShop } from './support/shop.js'
import { killWorkers, spawnWorkers } from './support/worker-process.js'

interface ExportedSpan {
  traceId: string
  spanId: string
  parentSpanId?: string
  name: string
  service: string
  attributes: Record<string, unknown>
  events?: { name: string; attributes: object[] }[]
}

/** As OTLP writes them in JSON: https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding */
interface Exported {
  resourceSpans: {
    resource: { attributes: { key: string; value: { stringValue?: string } }[] }
    scopeSpans: {
      spans: (Omit<ExportedSpan, 'service' | 'attributes'> & {
        attributes: { key: string; value: Record<string, unknown> }[]
      })[]
    }[]
  }[]
}

/** A collector for OTLP over HTTP, which keeps what it is sent. */
async function startCollector(): Promise<{ server: AnsweringServer; spans: ExportedSpan[]; sent: string[] }> {
  const server = await startAnsweringServer()
  const spans: ExportedSpan[] = []
  const sent: string[] = []
  server.answer((request, response, body) => {
    sent.push(`${request.method} ${request.url} ${request.headers['content-type']}`)
    if (request.headers['content-type'] === 'application/json') spans.push(...spansOf(JSON.parse(body) as Exported))
    response.setHeader('Content-Type', request.headers['content-type'] ?? '')
    response.end(request.headers['content-type'] === 'application/json' ? '{}' : '')
  })
  return { server, spans, sent }
}

function spansOf({ resourceSpans }: Exported): ExportedSpan[] {
  return resourceSpans.flatMap(({ resource, scopeSpans }) => {
    const service = resource.attributes.find(({ key }) => key === 'service.name')?.value.stringValue ?? ''
    return scopeSpans.flatMap(scope =>
      scope.spans.map(span => ({
        ...span,
        service,
        attributes: Object.fromEntries(span.attributes.map(({ key, value }) => [key, Object.values(value)[0]]))
      }))
    )
  })
}

/** The names from a span up to the one that has no parent among `spans`. */
function wayUp(spans: ExportedSpan[], from: ExportedSpan): string[] {
  const way = [from.name]
  for (let span = from; ; way.push(span.name)) {
    const parent = spans.find(({ spanId }) => spanId === span.parentSpanId)
    if (parent === undefined) return way
    span = parent
  }
}

const ENV = { ...QUIET, OTEL_EXPORTER_OTLP_PROTOCOL: 'http/json', CHECKOUT_WAIT_MS: '30000' }

afterAll(() => killWorkers())

describe.each(plainEngines)('on %s', engine => {
  it('follows a checkout from the request of the shop through the queue to Stripe and the database', async () => {
    const { server, spans } = await startCollector()
    try {
      await withShop(openShop(engine, { ...ENV, OTEL_EXPORTER_OTLP_ENDPOINT: server.url }), async shop => {
        await shop.stack.stopWorkers()
        const worker = spawnWorkers({ ...shop.stack.env, WORKERS_PORT: String(await freePort()) })
        const ended = new Promise(resolve => worker.once('exit', resolve))
        const traceId = randomBytes(16).toString('hex')
        const callersSpan = randomBytes(8).toString('hex')
        const customer = await shop.customer('somebody')
        const answer = await customer.checkout(
          { items: [lineOf(await customer.product('stoneware-mug'), 1)] },
          { traceparent: `00-${traceId}-${callersSpan}-01` }
        )
        expect([answer.status, answer.headers.get('x-trace-id')]).toEqual([200, traceId])
        expect(data(answer).url).toContain('http')
        const inTrace = () => spans.filter(span => span.traceId === traceId)
        const isWhole = (found: ExportedSpan[]) =>
          found.some(({ name }) => name === 'POST /v1/checkout/sessions') &&
          found.every(span => wayUp(found, span).at(-1) === 'POST /api/stripe/checkout')
        // Before the end of the workers: a busy machine may take longer than the second which that end gives the spans.
        const all = await eventually(async () => inTrace(), isWhole, 30_000)
        worker.kill('SIGTERM')
        await ended
        const request = all.find(span => span.name === 'POST /api/stripe/checkout')
        expect([request?.parentSpanId, request?.service]).toEqual([callersSpan, 'tillworks'])
        const call = all.find(({ name }) => name === 'POST /v1/checkout/sessions')
        expect([call?.service, call?.attributes['http.response.status_code']]).toEqual([
          'tillworks-workers',
          expect.anything()
        ])
        const way = wayUp(all, call as ExportedSpan)
        expect(way.at(-1)).toBe('POST /api/stripe/checkout')
        expect(way.some(name => name.includes('session-creation'))).toBe(true)
        expect(way.some(name => name.includes('price-verification'))).toBe(true)
        const statements = all.filter(span => span.attributes['db.system.name'] === 'postgresql')
        expect(new Set(statements.map(({ service }) => service))).toEqual(new Set(['tillworks', 'tillworks-workers']))
        // A name that no hexadecimal id can hold by chance.
        expect(JSON.stringify(all)).not.toMatch(/somebody|shop\.example|sk_test/)
      })
    } finally {
      await server.close()
    }
  })
})

it('has a trace of what an operator does, down to Stripe and the database, without what was typed', async () => {
  const { server, spans } = await startCollector()
  try {
    await withShop(openShop('postgres', ENV), async shop => {
      const customer = await shop.customer('somebody')
      const { orderId = '' } = data(
        await customer.checkout({ items: [lineOf(await customer.product('stoneware-mug'), 1)] })
      )
      const env = { ...process.env, ...shop.stack.env, OTEL_EXPORTER_OTLP_ENDPOINT: server.url, OPS_OPERATOR: 'olga' }
      const { code } = await runProgram(env, 'order', 'cancel', orderId, '--reason', 'somebody has called')
      expect(code).toBe(0)
      const root = spans.find(({ name }) => name === 'ops order cancel')
      expect([root?.service, root?.parentSpanId || undefined]).toEqual(['tillworks-ops', undefined])
      const below = spans.filter(span => wayUp(spans, span).at(-1) === 'ops order cancel')
      expect(below).toHaveLength(spans.length)
      expect(below.some(({ name }) => name.startsWith('POST /v1/checkout/sessions/'))).toBe(true)
      expect(below.some(({ attributes }) => attributes['db.system.name'] === 'postgresql')).toBe(true)
      expect(JSON.stringify(spans)).not.toMatch(/somebody|olga/)
    })
  } finally {
    await server.close()
  }
})

it('tells that a job failed, and nothing of what its error says, which may quote a person', async () => {
  const { server, spans } = await startCollector()
  try {
    await withShop(openShop('postgres', { ...ENV, OTEL_EXPORTER_OTLP_ENDPOINT: server.url }), async shop => {
      await shop.stack.services.queues.enqueue('session-creation', 'nobody')
      const failed = () => spans.filter(({ events }) => events?.some(({ name }) => name === 'job failed'))
      const [span] = await eventually(
        async () => failed(),
        found => found.length > 0,
        15_000
      )
      expect(span?.attributes['bullmq.job.name']).toBe('session-creation')
      expect(JSON.stringify(spans)).not.toContain('There is no checkout')
    })
  } finally {
    await server.close()
  }
})

describe('a collector', () => {
  it('gets protobuf unless told otherwise, and problems and log lines name the trace', async () => {
    const { server, sent } = await startCollector()
    const lines: string[] = []
    const log = createLogger({
      level: 'info',
      production: true,
      name: 'test',
      destination: { write: line => lines.push(line) }
    })
    try {
      const traceId = await withShop(
        openShop('postgres', { ...QUIET, OTEL_EXPORTER_OTLP_ENDPOINT: server.url }, { log }),
        async shop => {
          const answer = await (await shop.customer('ada')).request('/api/nowhere')
          const problem = (await answer.json()) as { traceId: string }
          expect(problem.traceId).toBe(answer.headers.get('x-trace-id'))
          return problem.traceId
        }
      )
      expect(traceId).toMatch(/^[0-9a-f]{32}$/)
      expect(lines.filter(line => line.includes(traceId) && line.includes('/api/nowhere'))).toHaveLength(1)
      expect(sent).toContain('POST /v1/traces application/x-protobuf')
    } finally {
      await server.close()
    }
  })

  it('that is away costs neither a checkout nor the end of the process', async () => {
    const endpoint = `http://127.0.0.1:${await freePort()}`
    const shop: Shop = await openShop('postgres', { ...QUIET, OTEL_EXPORTER_OTLP_ENDPOINT: endpoint })
    const customer = await shop.customer('ada')
    const answer = await customer.checkout({ items: [lineOf(await customer.product('stoneware-mug'), 1)] })
    expect(answer.status).toBe(200)
    await shop.close()
  })

  it('that is not set gets no trace: answers and problems name none', async () => {
    await withShop(openShop('postgres', QUIET), async shop => {
      const answer = await (await shop.customer('ada')).request('/api/nowhere', {
        headers: { traceparent: `00-${'a'.repeat(32)}-${'b'.repeat(16)}-01` }
      })
      expect([answer.headers.get('x-trace-id'), Object.keys((await answer.json()) as object)]).toEqual([
        null,
        expect.not.arrayContaining(['traceId'])
      ])
    })
  })
})
