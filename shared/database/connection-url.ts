import { isIP } from 'node:net'
import { type PostgresOptions, readOptions } from './postgres-options.js'
import type { SessionAttributes } from './session-attributes.js'
import { type TlsWanted, type TlsWish, tlsOf } from './tls.js'

/** A PostgreSQL as a connection string names it: of libpq, of Prisma, or of a host. */
export interface ConnectionUrl {
  /** A name, an IP address, or the folder of a Unix socket, which begins with a slash. */
  host: string
  /** Where `host` is, when nobody is to look that up. */
  hostAddress?: string
  port: number
  user?: string
  password?: string
  database?: string
  /** Undefined without TLS. */
  tls?: TlsWanted
  channelBinding: ChannelBinding
  sessionAttributes: SessionAttributes
  connectTimeoutMs?: number
  poolSize?: number
  applicationName?: string
  options: PostgresOptions
  /** It says of itself that it leads to a pooler in transaction mode. */
  isTransactionPooler: boolean
}

export type ChannelBinding = 'disable' | 'prefer' | 'require'

/** For what a connection is used: the primary takes writes, a replica need not. */
export type Purpose = 'primary' | 'direct' | 'replica'

interface ReadUrl {
  /** Undefined when there are problems. */
  url?: ConnectionUrl
  /** What cannot be meant, in words that follow the name of the setting. No secret is among them. */
  problems: string[]
}

interface Draft {
  url: Omit<ConnectionUrl, 'tls'>
  tls: TlsWish
  purpose: Purpose | 'any'
}

/** Takes the value of a parameter, or says what is wrong with it. */
type Take = (value: string, draft: Draft) => string | undefined

const PATTERN = /^postgres(?:ql)?:\/\/(?:([^@/?#]*(?:@[^@/?#]*)*)@)?([^/?#@]*)(?:\/([^?#]*))?(?:\?([^#]*))?$/i
const LONGEST_CONNECT_SECONDS = 30
const EXAMPLE = 'postgresql://user:password@host:5432/tillworks'

/** Reads a connection string; `caFile` is the one of DATABASE_CA_FILE. Every parameter counts, or is a problem. */
export function readConnectionUrl(
  text: string,
  { caFile, purpose = 'primary' }: { caFile?: string; purpose?: Draft['purpose'] } = {}
): ReadUrl {
  const parts = PATTERN.exec(text)
  if (parts === null) return { problems: [shapeProblem(text)] }
  const [, login = '', place = '', path = '', query = ''] = parts
  try {
    const draft: Draft = { url: { ...readPlace(place), ...readLogin(login), ...USUAL }, tls: { caFile }, purpose }
    if (path !== '') draft.url.database = decoded(path)
    const problems = takeParameters(query, draft)
    if (draft.url.host.includes(',')) problems.push(SEVERAL_HOSTS)
    const { tls, problem } = tlsOf(draft.tls, draft.url.host)
    if (problem !== undefined) problems.push(problem)
    return problems.length > 0 ? { problems } : { url: tls === undefined ? draft.url : { ...draft.url, tls }, problems }
  } catch (error) {
    if (error instanceof Malformed) return { problems: [error.message] }
    throw error
  }
}

/** Of a connection string that was looked at before. */
export function connectionUrl(text: string, caFile?: string): ConnectionUrl {
  const { url, problems } = readConnectionUrl(text, { caFile, purpose: 'any' })
  if (url === undefined) throw new Error(`The connection string of the database cannot be used: it ${problems[0]}`)
  return url
}

const OF_PRIMARY: readonly SessionAttributes[] = ['any', 'read-write', 'primary']
const OF_REPLICA: readonly SessionAttributes[] = ['any', 'read-only', 'standby', 'prefer-standby']
const ATTRIBUTES = {
  primary: OF_PRIMARY,
  direct: OF_PRIMARY,
  replica: OF_REPLICA,
  any: [...OF_PRIMARY, ...OF_REPLICA]
}

const USUAL = {
  channelBinding: 'prefer' as ChannelBinding,
  sessionAttributes: 'any' as SessionAttributes,
  options: { settings: {}, routing: [] },
  isTransactionPooler: false
}
const SEVERAL_HOSTS =
  'names several hosts, of which the driver can try one alone: name the one address that follows the primary, such as the writer endpoint, a pooler or a proxy'

class Malformed extends Error {}

function shapeProblem(text: string): string {
  if (text.includes('#')) return 'has a # in it: in a user or password it is written %23'
  if (/^postgres(ql)?:\/\/[^?]*\/[^?]*@/i.test(text))
    return 'has a / before its @: in a user or password it is written %2F'
  if (/^postgres(ql)?:\/\/[^@]*\?[^/]*@/i.test(text))
    return 'has a ? before its @: in a user or password it is written %3F'
  return `expected a URL such as ${EXAMPLE}`
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    throw new Malformed('has a % that no two digits follow: a percent sign is written %25')
  }
}

function readLogin(login: string): Pick<ConnectionUrl, 'user' | 'password'> {
  if (login === '') return {}
  const [user = '', ...password] = login.split(':')
  return {
    ...(user === '' ? {} : { user: decoded(user) }),
    ...(password.length === 0 ? {} : { password: decoded(password.join(':')) })
  }
}

function readPlace(place: string): Pick<ConnectionUrl, 'host' | 'port'> {
  if (place.includes(',')) return { host: place, port: 5432 }
  const [, address, name = '', port] = /^(?:\[([^\]]*)\]|([^:]*))(?::(\d*))?$/.exec(place) ?? []
  if (address === undefined && name === '' && place !== '' && !place.startsWith(':'))
    throw new Malformed(`expected a URL such as ${EXAMPLE}`)
  return { host: address ?? (decoded(name) || 'localhost'), port: readPort(port || '5432') }
}

function readPort(text: string): number {
  if (text.includes(',')) throw new Malformed(SEVERAL_HOSTS)
  const port = Number(text)
  if (!/^\d+$/.test(text) || port < 1 || port > 65_535) throw new Malformed('has a port that is none: 1 to 65535')
  return port
}

function takeParameters(query: string, draft: Draft): string[] {
  const seen = new Set<string>()
  return query
    .split('&')
    .filter(part => part !== '')
    .flatMap(part => {
      const [key = '', ...rest] = part.split('=')
      const name = decoded(key)
      const value = decoded(rest.join('='))
      if (seen.has(name)) return [`has ${name} twice: keep one`]
      seen.add(name)
      const take = Object.hasOwn(parameters, name) ? parameters[name] : undefined
      if (take === undefined)
        return [`has the parameter ${name}, which nothing here would follow: take it out (docs/postgresql.md)`]
      return take(value, draft) ?? []
    })
}

/** Puts what a parameter says where `key` says, in place of what stood there. */
function puts<Key extends 'user' | 'password' | 'database' | 'applicationName'>(key: Key): Take {
  return (value, { url }) => {
    if (value === '') return `has ${key} without a value: take it out`
    url[key] = value
  }
}

/** Takes the values that mean what happens anyway. */
function only(name: string, values: readonly string[], why: string): Take {
  return value => (values.includes(value) ? undefined : `has ${name}=${shown(value)}: ${why}`)
}

function refused(name: string, why: string): Take {
  return () => `has ${name}: ${why}`
}

function oneOfThese<Value extends string>(
  name: string,
  values: readonly Value[],
  put: (value: Value, draft: Draft) => void
): Take {
  return (value, draft) => {
    if (!(values as readonly string[]).includes(value))
      return `has ${name}=${shown(value)}: expected ${values.join(', ')}`
    put(value as Value, draft)
  }
}

function whole(name: string, min: number, max: number, why: string, put: (value: number, draft: Draft) => void): Take {
  return (value, draft) => {
    const number = Number(value)
    if (!/^\d+$/.test(value) || number < min || number > max)
      return `has ${name}=${shown(value)}: expected a whole number from ${min} to ${max}; ${why}`
    put(number, draft)
  }
}

/** A value of a parameter that is no secret, short. */
function shown(value: string): string {
  return value.length > 40 ? `${value.slice(0, 40)}…` : value
}

const OUR_LIMITS = 'the time limits of statements are set by Tillworks: take it out'
const OUR_KEEPALIVE = 'connections are kept alive by Tillworks: take it out'
const NO_KERBEROS = 'the driver knows no GSSAPI: use a password or a certificate'

function waits(name: string): Take {
  return whole(
    name,
    1,
    LONGEST_CONNECT_SECONDS,
    'seconds to wait for a connection, which cannot be without an end',
    (seconds, { url }) => {
      url.connectTimeoutMs = Math.max(url.connectTimeoutMs ?? 0, seconds * 1_000)
    }
  )
}

/** Every parameter that is known: of libpq (https://www.postgresql.org/docs/18/libpq-connect.html), node-postgres and Prisma. */
const parameters: Readonly<Record<string, Take>> = {
  host(value, { url }) {
    if (value === '') return 'has host without a value: take it out'
    url.host = value
  },
  hostaddr(value, { url }) {
    if (isIP(value) === 0) return `has hostaddr=${shown(value)}: expected one IP address`
    url.hostAddress = value
  },
  port(value, { url }) {
    url.port = readPort(value)
  },
  user: puts('user'),
  password: puts('password'),
  dbname: puts('database'),
  passfile: refused('passfile', 'name a file with the password alone in DATABASE_PASSWORD_FILE'),
  application_name: puts('applicationName'),
  fallback_application_name: puts('applicationName'),

  sslmode: oneOfThese(
    'sslmode',
    ['disable', 'allow', 'prefer', 'require', 'verify-ca', 'verify-full', 'no-verify'],
    (mode, { tls }) => {
      tls.mode = mode
    }
  ),
  ssl: oneOfThese('ssl', ['true', '1', 'false', '0', 'no-verify'], (value, { tls }) => {
    tls.ssl = value
  }),
  requiressl: oneOfThese('requiressl', ['0', '1'], (value, { tls }) => {
    if (value === '1') tls.ssl = 'true'
  }),
  sslaccept: oneOfThese('sslaccept', ['strict', 'accept_invalid_certs'], (value, { tls }) => {
    tls.accept = value
  }),
  sslrootcert(value, { tls }) {
    tls.rootFile = value
  },
  sslcert(value, { tls }) {
    tls.certificateFile = value
  },
  sslkey(value, { tls }) {
    tls.keyFile = value
  },
  sslpassword(value, { tls }) {
    tls.passphrase = value
  },
  sslcrl(value, { tls }) {
    tls.revocationFile = value
  },
  sslcrldir: refused('sslcrldir', 'name one file of revoked certificates in sslcrl'),
  sslidentity: refused('sslidentity', 'name the certificate and its key as PEM files in sslcert and sslkey'),
  sslnegotiation: oneOfThese('sslnegotiation', ['postgres', 'direct'], (value, { tls }) => {
    tls.isDirect = value === 'direct'
  }),
  sslsni: only('sslsni', ['1'], 'the name of the server is always told: take it out'),
  sslcompression: only('sslcompression', ['0'], 'TLS has no compression any more: take it out'),
  sslcertmode: only('sslcertmode', ['allow'], 'a certificate is sent when the server asks and sslcert names one'),
  ssl_min_protocol_version: oneOfThese(
    'ssl_min_protocol_version',
    ['TLSv1', 'TLSv1.1', 'TLSv1.2', 'TLSv1.3'],
    (value, { tls }) => {
      tls.minVersion = value
    }
  ),
  ssl_max_protocol_version: oneOfThese('ssl_max_protocol_version', ['TLSv1.2', 'TLSv1.3'], (value, { tls }) => {
    tls.maxVersion = value
  }),
  uselibpqcompat: only('uselibpqcompat', ['true', '1'], 'sslmode means here what it means to libpq: take it out'),
  channel_binding: oneOfThese('channel_binding', ['disable', 'prefer', 'require'], (value, { url }) => {
    url.channelBinding = value
  }),
  require_auth: refused('require_auth', 'use channel_binding=require, which takes SCRAM alone'),
  scram_client_key: refused('scram_client_key', 'use a password'),
  scram_server_key: refused('scram_server_key', 'use a password'),
  gssencmode: only('gssencmode', ['disable', 'prefer'], NO_KERBEROS),
  krbsrvname: refused('krbsrvname', NO_KERBEROS),
  gsslib: refused('gsslib', NO_KERBEROS),
  gssdelegation: only('gssdelegation', ['0'], NO_KERBEROS),
  requirepeer: refused('requirepeer', 'the driver cannot look who owns a socket: take it out'),

  connect_timeout: waits('connect_timeout'),
  pool_timeout: waits('pool_timeout'),
  connection_limit: whole(
    'connection_limit',
    2,
    500,
    'connections of a process; a small number here is for functions that run one request, behind a pooler take it out',
    (value, { url }) => {
      url.poolSize = value
    }
  ),
  statement_timeout: refused('statement_timeout', OUR_LIMITS),
  lock_timeout: refused('lock_timeout', OUR_LIMITS),
  idle_in_transaction_session_timeout: refused('idle_in_transaction_session_timeout', OUR_LIMITS),
  query_timeout: refused('query_timeout', OUR_LIMITS),
  socket_timeout: refused('socket_timeout', OUR_LIMITS),
  keepalives: only('keepalives', ['1'], OUR_KEEPALIVE),
  keepalives_idle: refused('keepalives_idle', OUR_KEEPALIVE),
  keepalives_interval: refused('keepalives_interval', OUR_KEEPALIVE),
  keepalives_count: refused('keepalives_count', OUR_KEEPALIVE),
  tcp_user_timeout: refused('tcp_user_timeout', OUR_KEEPALIVE),

  options(value, { url }) {
    const { options, problem } = readOptions(value)
    url.options = options
    return problem
  },
  schema: only(
    'schema',
    ['public'],
    'the tables are in the schema public: give Tillworks a database of its own and take it out'
  ),
  search_path: refused('search_path', 'the tables are in the schema public: take it out'),
  client_encoding: only(
    'client_encoding',
    ['UTF8', 'UTF-8', 'utf8', 'auto', 'unicode'],
    'texts are UTF-8: take it out'
  ),
  encoding: only('encoding', ['UTF8', 'UTF-8', 'utf8'], 'texts are UTF-8: take it out'),
  replication: refused('replication', 'this is no stream of changes: take it out'),
  role: refused('role', 'DATABASE_ROLE says what connections act as: take it out'),

  target_session_attrs(value, { purpose, url }) {
    const fitting = ATTRIBUTES[purpose]
    const asked = fitting.find(each => each === value)
    if (asked !== undefined) {
      url.sessionAttributes = asked
      return undefined
    }
    return purpose === 'replica'
      ? `has target_session_attrs=${shown(value)}: expected ${fitting.join(', ')}`
      : `has target_session_attrs=${shown(value)}: it has to be the primary, ${fitting.join(', ')}`
  },
  load_balance_hosts: only('load_balance_hosts', ['disable'], 'there is one host: take it out'),

  pgbouncer(value, { url, purpose }) {
    if (value !== 'true' && value !== 'false') return `has pgbouncer=${shown(value)}: expected true, false`
    if (value === 'true' && purpose === 'direct')
      return 'has pgbouncer=true: it has to be the database itself, or a pool in session mode'
    url.isTransactionPooler ||= value === 'true'
  },
  statement_cache_size: (value, { url }) => {
    if (value !== '0') return `has statement_cache_size=${shown(value)}: expected 0, as behind a pooler, or nothing`
    url.isTransactionPooler = true
  },
  service: refused('service', 'there is no service file here: write host, user and database into the URL'),
  servicefile: refused('servicefile', 'there is no service file here: write host, user and database into the URL')
}
