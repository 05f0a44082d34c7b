import { request as ask, createServer } from 'node:http'
import { connect, type Socket } from 'node:net'
import { freePort } from '../../local/free-port.js'

/** A proxy such as a company has; every name that it is asked for leads to this machine. */
export interface ForwardProxy {
  /** With the login, when it wants one. */
  url: string
  /** What CONNECT has asked for, and the whole URLs of plain requests. */
  tunnels: string[]
  forwarded: string[]
  /** From now on it answers every request with this status; undefined: it lets through. */
  refuse(status: number | undefined): void
  close(): Promise<void>
}

export async function startForwardProxy(login?: { user: string; password: string }): Promise<ForwardProxy> {
  const port = await freePort()
  const sockets = new Set<Socket>()
  const tunnels: string[] = []
  const forwarded: string[] = []
  let refused: number | undefined
  const expected = login && `Basic ${Buffer.from(`${login.user}:${login.password}`).toString('base64')}`
  const refusalOf = (authorization: string | undefined) => refused ?? (authorization === expected ? undefined : 407)

  const server = createServer((request, response) => {
    const refusal = refusalOf(request.headers['proxy-authorization'])
    if (refusal !== undefined) return response.writeHead(refusal).end()
    forwarded.push(String(request.url))
    const { port: targetPort, pathname, search } = new URL(String(request.url))
    const { 'proxy-authorization': _own, ...headers } = request.headers
    const target = {
      host: '127.0.0.1',
      port: targetPort,
      method: request.method,
      path: `${pathname}${search}`,
      headers
    }
    const onward = ask(target, answer => answer.pipe(response.writeHead(answer.statusCode ?? 502, answer.headers)))
    onward.on('error', () => response.destroy())
    request.pipe(onward)
  })
  server.on('connection', socket => keep(socket))
  server.on('connect', (request, client, head) => {
    const refusal = refusalOf(request.headers['proxy-authorization'])
    if (refusal !== undefined) return client.end(`HTTP/1.1 ${refusal} Refused\r\n\r\n`)
    tunnels.push(String(request.url))
    const target = connect(Number(String(request.url).split(':').at(-1)), '127.0.0.1', () => {
      client.write('HTTP/1.1 200 Connection Established\r\n\r\n')
      target.write(head)
      target.pipe(client).pipe(target)
    })
    keep(target)
  })
  const keep = (socket: Socket) => {
    sockets.add(socket)
    socket.on('error', () => socket.destroy())
    socket.on('close', () => sockets.delete(socket))
  }
  await new Promise<void>(resolve => server.listen(port, '127.0.0.1', resolve))
  const shown = login && `${encodeURIComponent(login.user)}:${encodeURIComponent(login.password)}@`
  return {
    url: `http://${shown ?? ''}127.0.0.1:${port}`,
    tunnels,
    forwarded,
    refuse(status) {
      refused = status
    },
    async close() {
      for (const socket of sockets) socket.destroy()
      await new Promise(resolve => server.close(resolve))
    }
  }
}
