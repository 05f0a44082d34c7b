import { connect, createServer, type Socket } from 'node:net'
import { freePort } from './free-port.js'

/** One address that leads to a server, and to another one after a failover: what a host's endpoint or a virtual IP does. */
export interface TcpRelay {
  port: number
  /** From now on connections lead there; those that there are end. Undefined: they are refused. */
  pointTo(port: number | undefined): void
  close(): Promise<void>
}

/** Starts a relay on a free port of loopback, which leads to `target` there; what is sent arrives `delayMs` later, in its order. */
export async function startTcpRelay(target: number, delayMs = 0): Promise<TcpRelay> {
  const port = await freePort()
  const sockets = new Set<Socket>()
  let current: number | undefined = target
  const keep = (socket: Socket) => {
    sockets.add(socket)
    // A connection that breaks is closed, too.
    socket.on('error', () => undefined)
    socket.on('close', () => sockets.delete(socket))
  }
  const server = createServer(client => {
    keep(client)
    if (current === undefined) return client.destroy()
    const upstream = connect(current, '127.0.0.1')
    keep(upstream)
    client.on('close', () => upstream.destroy())
    upstream.on('close', () => client.destroy())
    carry(client, upstream, delayMs)
    carry(upstream, client, delayMs)
  })
  await new Promise<void>(resolve => server.listen(port, '127.0.0.1', resolve))
  const dropAll = () => {
    for (const socket of sockets) socket.destroy()
  }
  return {
    port,
    pointTo(next) {
      current = next
      dropAll()
    },
    async close() {
      await new Promise<void>(resolve => {
        server.close(() => resolve())
        dropAll()
      })
    }
  }
}

function carry(from: Socket, to: Socket, delayMs: number): void {
  if (delayMs === 0) return void from.pipe(to)
  from.setNoDelay(true)
  from.on('data', part => setTimeout(() => to.write(part), delayMs))
}
