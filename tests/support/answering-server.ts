import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { freePort } from '../../local/free-port.js'

export interface AnsweringServer {
  url: string
  /** From now on it answers so. */
  answer(handle: (request: IncomingMessage, response: ServerResponse, body: string) => void): void
  close(): Promise<void>
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
