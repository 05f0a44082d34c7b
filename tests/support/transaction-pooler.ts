import { createServer, type Socket } from 'node:net'
import pg from 'pg'
import { freePort } from '../../local/free-port.js'

export interface TransactionPooler {
  url: string
  close(): Promise<void>
}

const SSL_REQUEST = 80_877_103

/**
 * A pooler in transaction mode with one connection to the server: each client has it for a statement, in turn. What clients
 * ask for at their start (role, search_path) is dropped. Good for simple statements alone.
 */
export async function startTransactionPooler(target: string): Promise<TransactionPooler> {
  const upstream = new pg.Client({ connectionString: target })
  upstream.on('error', () => undefined)
  await upstream.connect()
  const server = (upstream as unknown as { connection: { stream: Socket } }).connection.stream
  server.removeAllListeners('data')
  const sockets = new Set<Socket>()
  let turn: Promise<void> = Promise.resolve()

  const pass = (client: Socket, request: Buffer) => {
    turn = turn.then(
      () =>
        new Promise<void>(resolve => {
          let answer = Buffer.alloc(0)
          const collect = (chunk: Buffer) => {
            answer = Buffer.concat([answer, chunk])
            if (!isReady(answer)) return
            server.off('data', collect)
            client.write(answer)
            resolve()
          }
          server.on('data', collect)
          server.write(request)
        })
    )
  }

  const listener = createServer(client => {
    sockets.add(client)
    client.on('error', () => undefined)
    client.on('close', () => sockets.delete(client))
    let greeted = false
    client.on('data', chunk => {
      if (greeted) return chunk[0] === TERMINATE ? client.end() : pass(client, chunk)
      if (chunk.length === 8 && chunk.readInt32BE(4) === SSL_REQUEST) return client.write('N')
      greeted = true
      client.write(Buffer.concat([message('R', [0, 0, 0, 0]), message('K', [0, 0, 0, 1, 0, 0, 0, 1]), READY]))
    })
  })
  const port = await freePort()
  await new Promise<void>(resolve => listener.listen(port, '127.0.0.1', resolve))
  const url = new URL(target)
  url.hostname = '127.0.0.1'
  url.port = String(port)
  return {
    url: url.href,
    async close() {
      for (const socket of sockets) socket.destroy()
      await new Promise<void>(resolve => listener.close(() => resolve()))
      server.destroy()
    }
  }
}

const TERMINATE = 'X'.charCodeAt(0)
const READY = message('Z', ['I'.charCodeAt(0)])

function message(type: string, body: number[]): Buffer {
  const head = Buffer.alloc(5)
  head.write(type)
  head.writeInt32BE(body.length + 4, 1)
  return Buffer.concat([head, Buffer.from(body)])
}

/** Whether a ReadyForQuery ends what the server has said. */
function isReady(answer: Buffer): boolean {
  return answer.length >= READY.length && answer.subarray(-READY.length).equals(READY)
}
