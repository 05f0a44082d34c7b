import { type Host, parseHost } from './hosts.js'

/** What a connection string says. */
export interface RedisUrl {
  at: Host | { path: string }
  tls: boolean
  username?: string
  password?: string
  database?: number
  family?: 0 | 4 | 6
}

/** The schemes that hosts write, Valkey's too, and whether they mean TLS. */
const SCHEMES = new Map([
  ['redis', false],
  ['rediss', true],
  ['valkey', false],
  ['valkeys', true]
])
const SOCKET_SCHEMES = ['unix', 'redis+unix', 'redis+socket']
const DEFAULT_PORT = 6379

/**
 * Reads a connection string, or says in words what is wrong with it. A password may hold any character, also where its
 * host forgot to encode it: it ends at the last `@`.
 */
export function parseRedisUrl(text: string): RedisUrl | string {
  if (text.startsWith('/')) return socketOf('', text)
  const [, scheme = '', rest = ''] = /^([a-z+]+):\/\/(.*)$/is.exec(text) ?? []
  const kind = scheme.toLowerCase()
  if (kind.includes('sentinel')) return 'expected one server; set REDIS_SENTINELS for Sentinel'
  if (kind.includes('cluster')) return 'expected one server; set REDIS_CLUSTER_NODES for a cluster'
  const at = rest.lastIndexOf('@')
  const [signIn, place] = [at === -1 ? '' : rest.slice(0, at), rest.slice(at + 1)]
  if (SOCKET_SCHEMES.includes(kind)) return socketOf(signIn, place)
  const tls = SCHEMES.get(kind)
  if (tls === undefined) return EXPECTED
  if (place.split(/[/?]/)[0]?.includes(','))
    return 'expected one server; set REDIS_CLUSTER_NODES or REDIS_SENTINELS for several'
  const found = /^([^/?#]*)(?:\/([^?#]*))?(?:\?(.*))?$/.exec(place)
  const host = parseHost(found?.[1] ?? '', DEFAULT_PORT)
  if (host === undefined) return EXPECTED
  return withParameters({ at: host, tls, ...signInOf(signIn) }, found?.[3], found?.[2])
}

export const EXPECTED =
  'expected a URL such as redis://user:password@host:6379/0, rediss:// for TLS, or the path of a socket'

function socketOf(signIn: string, text: string): RedisUrl | string {
  const [path = '', query] = text.split('?')
  if (!path.startsWith('/') || path === '/') return EXPECTED
  return withParameters({ at: { path: decode(path) }, tls: false, ...signInOf(signIn) }, query)
}

function signInOf(text: string): Pick<RedisUrl, 'username' | 'password'> {
  const colon = text.indexOf(':')
  const [username, password] = colon === -1 ? [text, ''] : [text.slice(0, colon), text.slice(colon + 1)]
  return {
    ...(username === '' ? {} : { username: decode(username) }),
    ...(password === '' ? {} : { password: decode(password) })
  }
}

/** What a driver takes from a query would replace our own bounds. */
function withParameters(url: RedisUrl, query = '', pathDatabase = ''): RedisUrl | string {
  const parameters = new URLSearchParams(query)
  const unknown = [...parameters.keys()].filter(name => name !== 'family' && name !== 'db')
  if (unknown.length > 0) return `expected no parameters but db and family, not ${unknown.map(quoted).join(', ')}`
  const database = pathDatabase === '' ? parameters.get('db') : pathDatabase
  if (database !== null && !/^\d{1,5}$/.test(database))
    return 'expected the number of a database after the host, such as /0'
  const family = parameters.get('family')
  if (family !== null && !['0', '4', '6'].includes(family)) return 'expected family=0, 4 or 6'
  return {
    ...url,
    ...(database === null ? {} : { database: Number(database) }),
    ...(family === null ? {} : { family: Number(family) as 0 | 4 | 6 })
  }
}

function quoted(text: string): string {
  return JSON.stringify(text.slice(0, 30))
}

/** What is encoded, decoded; a lone % stands for itself. */
function decode(text: string): string {
  return text.replace(/(?:%[0-9a-f]{2})+/gi, encoded => {
    try {
      return decodeURIComponent(encoded)
    } catch {
      return encoded
    }
  })
}
