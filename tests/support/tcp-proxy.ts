import { connect, createServer, type Socket } from 'node:net'
import { freePort } from '../../demo/free-port.js'
import { portOf } from '../../shared/http-server.js'

/** Stands between us and a server, and can lose connections the way a network does: without a word to either side. */
export interface TcpProxy {
  port: number
  /** The connection string, with this proxy in the place of its server. */
  url(original: string): string
  /**
   * From now on connections pass nothing on and stay open: those whose first bytes hold `text`, or all. New ones are taken
   * and do the same. What was lost stays lost: heal() is for new connections.
   */
  silence(text?: string): void
  heal(): void
  close(): Promise<void>
}

/** `change` sees and may change what goes to the server. */
export async function startTcpProxy(target: string, change = (data: Buffer): Buffer => data): Promise<TcpProxy> {
  const { hostname, port: targetPort } = new URL(target)
  let silenced: string | undefined
  const sockets = new Set<Socket>()
  const server = createServer({ allowHalfOpen: true }, client => {
    const upstream = connect({ port: Number(targetPort), host: hostname, allowHalfOpen: true })
    let hello: string | undefined
    let isLost = false
    const passes = () => {
      isLost ||= silenced !== undefined && (hello ?? '').includes(silenced)
      return !isLost
    }
    for (const [from, to] of [
      [client, upstream],
      [upstream, client]
    ] as const) {
      sockets.add(from)
      from.on('data', data => {
        hello ??= data.toString('latin1')
        if (passes()) to.write(from === client ? change(data) : data)
      })
      from.on('end', () => passes() && to.end())
      from.on('error', () => passes() && to.destroy())
      from.on('close', () => {
        sockets.delete(from)
        if (passes()) to.destroy()
      })
    }
  })
  await new Promise<void>(resolve => void freePort().then(free => server.listen(free, '127.0.0.1', resolve)))
  const port = portOf(server)
  return {
    port,
    url(original) {
      const url = new URL(original)
      url.hostname = '127.0.0.1'
      url.port = String(port)
      return url.href
    },
    silence(text = '') {
      silenced = text
    },
    heal() {
      silenced = undefined
    },
    async close() {
      await new Promise<void>(resolve => {
        server.close(() => resolve())
        for (const socket of sockets) socket.destroy()
      })
    }
  }
}
