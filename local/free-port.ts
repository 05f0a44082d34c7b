import { readFileSync } from 'node:fs'
import { createServer } from 'node:net'

const FIRST = 10_000
const LAST = 32_767
const TRIES = 200

/** Ports from FIRST on that fetch refuses to connect to. Source: Fetch standard, "bad port". */
const REFUSED_BY_FETCH = new Set([10_080])

const given = new Set<number>()

/**
 * A TCP port that nothing listens on, on any interface, and that this process did not give before.
 *
 * It lies outside the range from which the system takes the ports of outgoing connections: a port of that range,
 * which listening on 0 would give, can be taken by a connection before its server listens. Nor is it one to which
 * browsers and `fetch` refuse to connect.
 */
export async function freePort(): Promise<number> {
  const [firstOutgoing, lastOutgoing] = outgoingPorts()
  for (let tries = 0; tries < TRIES; tries++) {
    const port = FIRST + Math.floor(Math.random() * (LAST - FIRST + 1))
    if (given.has(port) || REFUSED_BY_FETCH.has(port) || (port >= firstOutgoing && port <= lastOutgoing)) continue
    if (!(await isFree(port))) continue
    given.add(port)
    return port
  }
  throw new Error(`No free port between ${FIRST} and ${LAST} in ${TRIES} tries.`)
}

/** Whether `port` can be listened on, on every interface. */
export async function isFree(port: number): Promise<boolean> {
  return await new Promise(resolve => {
    const server = createServer()
    server.once('error', () => resolve(false))
    server.listen(port, () => server.close(() => resolve(true)))
  })
}

/** First and last port of the range, as Linux is set; elsewhere the range of RFC 6335, section 6. */
function outgoingPorts(): [number, number] {
  try {
    const [first, last] = readFileSync('/proc/sys/net/ipv4/ip_local_port_range', 'utf8').trim().split(/\s+/).map(Number)
    if (first !== undefined && last !== undefined && (first > FIRST || last < LAST)) return [first, last]
  } catch {
    // Not Linux.
  }
  return [49_152, 65_535]
}
