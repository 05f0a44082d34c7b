import type { Server } from 'node:http'

export function portOf(server: Server): number {
  const address = server.address()
  return typeof address === 'object' && address !== null ? address.port : 0
}

/** `setting` is the variable that a port in use is to be changed by. */
export async function listen(server: Server, port: number, host: string | undefined, setting: string): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    server.once('error', error => {
      const inUse = (error as NodeJS.ErrnoException).code === 'EADDRINUSE'
      reject(inUse ? new Error(`Port ${port} is in use. Set ${setting} to a free one.`, { cause: error }) : error)
    })
    server.listen(port, host, resolve)
  })
}

/** Takes no new connections, and resolves once the requests under way are answered. */
export async function stopAccepting(server: Server): Promise<void> {
  await new Promise<void>(resolve => {
    server.close(() => resolve())
    server.closeIdleConnections()
  })
}
