import { readFile } from 'node:fs/promises'
import { userInfo } from 'node:os'
import type pg from 'pg'
import { SECOND } from '../duration.js'
import { type ChannelBinding, type ConnectionUrl, connectionUrl } from './connection-url.js'
import type { SessionAttributes } from './session-attributes.js'
import type { TlsWanted } from './tls.js'

/** The way to a PostgreSQL: its connection string, and files that are read at each connection. */
export interface Access {
  url: string
  /** The authorities that the server's certificate has to come from. */
  caFile?: string
  /** Holds the password, which may change: an IAM token, a rotated secret. */
  passwordFile?: string
}

/** What BoundedClient needs beyond what the driver takes. */
export interface AccessConfig extends pg.ClientConfig {
  tls?: TlsWanted
  channelBinding: ChannelBinding
  sessionAttributes: SessionAttributes
}

const LONGEST_NAME = 63

/** For a connection that calls itself `name`. Nothing that the environment holds for other programs (PGOPTIONS) counts. */
export function accessConfig(access: Access, name: string): AccessConfig {
  const url = connectionUrl(access.url, access.caFile)
  const user = url.user ?? systemUser()
  if (user === undefined) throw new Error('DATABASE_URL names no user, and this process has none with a name')
  return {
    host: url.hostAddress ?? url.host,
    port: url.port,
    user,
    database: url.database ?? user,
    password: passwordOf(access, url),
    ssl: url.tls !== undefined,
    sslnegotiation: url.tls?.isDirect ? 'direct' : 'postgres',
    ...(url.tls === undefined ? {} : { tls: tlsTo(url, url.tls) }),
    channelBinding: url.channelBinding,
    sessionAttributes: url.sessionAttributes,
    enableChannelBinding: url.tls !== undefined && url.channelBinding !== 'disable',
    application_name: (url.applicationName === undefined ? name : `${url.applicationName}/${name}`).slice(
      0,
      LONGEST_NAME
    ),
    keepAlive: true,
    // A connection that is silently gone is noticed in minutes; by itself Linux waits two hours.
    keepAliveInitialDelayMillis: 10 * SECOND
  }
}

function passwordOf({ passwordFile }: Access, { password }: ConnectionUrl): pg.ClientConfig['password'] {
  if (passwordFile === undefined) return password || askInVain
  return async () => {
    const text = await readFile(passwordFile, 'utf8').catch((error: NodeJS.ErrnoException) => {
      throw new Error(`The file of DATABASE_PASSWORD_FILE cannot be read (${error.code ?? error.message})`)
    })
    const password = text.replace(/[\r\n]+$/, '')
    if (password === '') throw new Error('The file of DATABASE_PASSWORD_FILE is empty')
    return password
  }
}

/** As libpq, where the URL names none. Undefined for a number without a name, as some containers have it. */
export function systemUser(): string | undefined {
  try {
    return userInfo().username
  } catch {
    return undefined
  }
}

/** The driver would look into PGPASSWORD and ~/.pgpass. */
function askInVain(): never {
  throw new Error('The server asks for a password and there is none')
}

/** The certificate is that of the name, wherever the connection goes. */
function tlsTo({ host, hostAddress }: ConnectionUrl, tls: TlsWanted): TlsWanted {
  return hostAddress === undefined ? tls : { ...tls, serverName: host }
}
