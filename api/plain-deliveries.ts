import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http'
import { SECOND } from '../shared/duration.js'
import { countAnswer } from '../shared/metrics/requests.js'
import { publicPath } from '../shared/runtime/base-path.js'
import { isTracing } from '../shared/tracing.js'
import { keepFailure } from './failed-delivery.js'
import type { Ingress, Receive } from './ingress.js'
import { requestIdOf } from './request-context.js'
import { acknowledgement, BODY_LIMIT, offerEvent, WEBHOOK_PATH } from './routes/webhook.js'

/**
 * Acknowledges deliveries that come as Stripe sends them without the middleware of the app, which they do not need and which
 * took two thirds of their time, unless they are traced or the process ends. Everything else, and every refusal, is the app's
 * (docs/decisions/0051-deliveries-do-not-pass-through-the-app.md).
 */
export function plainDeliveries(ingress: Ingress, app: RequestListener): RequestListener {
  // A line of these holds nothing that the others hide: an id, whose text is checked, and constants.
  const log = ingress.log.child({}, { redact: [] })
  const logged = { method: 'POST', path: publicPath(ingress.config.basePath, WEBHOOK_PATH) }
  const acknowledge = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const begun = performance.now()
    const requestId = requestIdOf(request)
    request.id = requestId
    let received: Awaited<ReturnType<Receive>>
    try {
      const body = await readBody(request)
      received = await ingress.receive({
        requestId,
        body,
        signature: request.headers['stripe-signature'] as string | undefined
      })
    } catch (error) {
      keepFailure(request, error)
      app(request, response)
      return
    }
    answer(response, requestId, acknowledgement(received.isNew))
    const ms = performance.now() - begun
    countAnswer({ route: WEBHOOK_PATH, method: 'POST', status: 200 }, ms / SECOND, undefined)
    log.info({ requestId, req: logged, res: { status: 200 }, ms: Math.round(ms) }, 'request completed')
    if (received.isNew) await offerEvent(ingress, received.event)
  }
  return (request, response) => {
    if (isPlain(request) && !isTracing() && !ingress.drain.hasBegun) void acknowledge(request, response)
    else app(request, response)
  }
}

/** The path is spelled as it is documented, and the body has a length within the limit and is not encoded. */
function isPlain({ method, url, headers }: IncomingMessage): boolean {
  const length = headers['content-length']
  return (
    method === 'POST' &&
    url === WEBHOOK_PATH &&
    headers['content-encoding'] === undefined &&
    length !== undefined &&
    Number(length) <= BODY_LIMIT
  )
}

function readBody(request: IncomingMessage): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.on('end', () => resolve(chunks.length === 1 ? (chunks[0] as Buffer) : Buffer.concat(chunks)))
    request.on('error', () =>
      reject(Object.assign(new Error('the body ended early'), { type: 'request.aborted', status: 400 }))
    )
  })
}

function answer(response: ServerResponse, requestId: string, body: object): void {
  const text = JSON.stringify(body)
  response.writeHead(200, {
    'X-Request-Id': requestId,
    'Content-Type': 'application/json; charset=utf-8',
    'Content-Length': text.length
  })
  response.end(text)
}
