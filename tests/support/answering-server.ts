import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { freePort } from '../../local/free-port.js'

export interface AnsweringServer {
  url: string
  /** From now on it answers so. */
  answer(handle: (request: IncomingMessage, response: ServerResponse, body: string) => void): void
  close(): Promise<void>
}

/** Answers as the simulated Stripe at this port does. */
export async function passOn(
  port: number,
  { url, method, headers }: IncomingMessage,
  response: ServerResponse,
  body: string
): Promise<void> {
  const passed = Object.entries(headers).filter(([name]) => /^(authorization|content-type|idempotency-key)$/.test(name))
  const answer = await fetch(`http://127.0.0.1:${port}${url}`, {
    method,
    headers: Object.fromEntries(passed) as Record<string, string>,
    ...(method === 'POST' ? { body } : {})
  })
  response.statusCode = answer.status
  response.end(await answer.text())
}

/** Somebody else's server: a shop's, an issuer's. */
export async function startAnsweringServer(): Promise<AnsweringServer> {
  const port = await freePort()
  let handle: Parameters<AnsweringServer['answer']>[0] = (_request, response) => response.end()
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(chunk as Buffer)
    // Nobody can meet a connection that was kept and is over.
    response.setHeader('Connection', 'close')
    handle(request, response, Buffer.concat(chunks).toString())
  })
  await new Promise<void>(resolve => server.listen(port, '127.0.0.1', resolve))
  return {
    url: `http://127.0.0.1:${port}`,
    answer(next) {
      handle = next
    },
    async close() {
      await new Promise<void>(resolve => {
        server.close(() => resolve())
        server.closeAllConnections()
      })
    }
  }
}
