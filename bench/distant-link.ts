import { connect, createServer, type Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'

/** A way to a server on loopback on which everything takes its time. */
export interface DistantLink {
  port: number
  stop(): Promise<void>
}

/** Starts one to `target`; what is sent arrives `delayMs` later, in either direction, and in its order. */
export async function startDistantLink(target: number, delayMs: number): Promise<DistantLink> {
  const sockets = new Set<Socket>()
  const carry = (from: Socket, to: Socket) => {
    sockets.add(from)
    from.setNoDelay(true)
    from.on('data', async part => {
      await sleep(delayMs)
      to.write(part)
    })
    from.on('error', () => undefined)
    from.on('close', () => {
      sockets.delete(from)
      to.destroy()
    })
  }
  const server = createServer(client => {
    const upstream = connect(target, '127.0.0.1')
    carry(client, upstream)
    carry(upstream, client)
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  return {
    port: (server.address() as { port: number }).port,
    async stop() {
      await new Promise<void>(resolve => {
        server.close(() => resolve())
        for (const socket of sockets) socket.destroy()
      })
    }
  }
}
