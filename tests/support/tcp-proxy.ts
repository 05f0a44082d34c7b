import { connect, createServer, type Socket } from 'node:net'
import { freePort } from '../../local/free-port.js'

/** Stands between us and a server, and can lose connections the way a network does: without a word to either side. */
export interface TcpProxy {
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
  const { hostname: host, port: targetPort } = new URL(target)
  const port = await freePort()
  const sockets = new Set<Socket>()
  const links = new Set<{ hello: string; isLost: boolean }>()
  let silenced: string | undefined

  const server = createServer({ allowHalfOpen: true }, client => {
    const link = { hello: '', isLost: false }
    links.add(link)
    client.on('close', () => links.delete(link))
    const passes = () => !link.isLost
    const join = (from: Socket, to: Socket, pass: (data: Buffer) => Buffer) => {
      from.on('data', data => passes() && to.write(pass(data)))
      from.on('end', () => passes() && to.end())
      from.on('close', () => passes() && to.destroy())
    }
    const keep = (socket: Socket) => {
      sockets.add(socket)
      // A connection that breaks is closed, too.
      socket.on('error', () => undefined)
      socket.on('close', () => sockets.delete(socket))
    }
    keep(client)
    client.once('data', first => {
      link.hello = first.toString('latin1')
      link.isLost = silenced !== undefined && link.hello.includes(silenced)
      // The server would wait for the rest of a lost hello, and others for it.
      if (!passes()) return
      const upstream = connect({ port: Number(targetPort), host, allowHalfOpen: true })
      keep(upstream)
      upstream.write(change(first))
      join(client, upstream, change)
      join(upstream, client, data => data)
    })
  })
  await new Promise<void>(resolve => server.listen(port, '127.0.0.1', resolve))
  return {
    url(original) {
      const url = new URL(original)
      url.hostname = '127.0.0.1'
      url.port = String(port)
      return url.href
    },
    silence(text = '') {
      silenced = text
      for (const link of links) link.isLost ||= link.hello.includes(text)
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
