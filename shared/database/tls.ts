import { readFileSync } from 'node:fs'
import { isIP } from 'node:net'
import { type ConnectionOptions, checkServerIdentity, createSecureContext, type SecureVersion } from 'node:tls'

/** How the server is believed, in the words of libpq; `require` encrypts and believes anybody. */
export type TlsMode = 'require' | 'verify-ca' | 'verify-full'

export interface TlsWanted {
  mode: TlsMode
  /** Undefined for the authorities that Node knows. */
  rootFile?: string
  certificateFile?: string
  keyFile?: string
  passphrase?: string
  revocationFile?: string
  minVersion?: SecureVersion
  maxVersion?: SecureVersion
  /** TLS from the first byte on, as PostgreSQL 17 can: sslnegotiation=direct. */
  isDirect?: boolean
  /** Whose certificate it has to be, when that is not where the connection goes. */
  serverName?: string
}

/** What a connection string and DATABASE_CA_FILE say, each by itself. */
export interface TlsWish extends Omit<TlsWanted, 'mode'> {
  mode?: TlsMode | 'disable' | 'allow' | 'prefer' | 'no-verify'
  ssl?: 'true' | '1' | 'false' | '0' | 'no-verify'
  accept?: 'strict' | 'accept_invalid_certs'
  /** Of DATABASE_CA_FILE. */
  caFile?: string
}

const SYSTEM = 'system'

/** What they come to; no `tls` for a connection without. */
export function tlsOf(wish: TlsWish, host: string): { tls?: TlsWanted; problem?: string } {
  const { mode: asked, ssl: _ssl, accept, caFile, ...rest } = wish
  const { certificateFile, keyFile } = rest
  if (asked === 'allow' || asked === 'prefer')
    return {
      problem: `has sslmode=${asked}, which may end without encryption: write require (encrypted), verify-full (and sure who answers) or disable`
    }
  if (rest.rootFile !== undefined && caFile !== undefined && rest.rootFile !== caFile)
    return { problem: 'has sslrootcert although DATABASE_CA_FILE is set: keep one' }
  if ((certificateFile === undefined) !== (keyFile === undefined))
    return { problem: 'has one of sslcert and sslkey: both are needed' }
  const rootFile = rest.rootFile ?? caFile
  const mode = modeOf(wish, rootFile !== undefined || certificateFile !== undefined || rest.isDirect === true)
  if (mode === undefined) {
    if (rootFile === undefined && certificateFile === undefined && accept === undefined && rest.isDirect !== true)
      return {}
    return { problem: 'has sslmode=disable although certificates are named: take one of the two out' }
  }
  if (host.startsWith('/')) return { problem: 'asks for TLS on a Unix socket, which has none: take sslmode out' }
  if (rootFile === SYSTEM && mode !== 'verify-full')
    return { problem: 'has sslrootcert=system, which everybody with a certificate passes: write sslmode=verify-full' }
  const { rootFile: _given, ...others } = rest
  return { tls: { ...others, mode, ...(rootFile === undefined || rootFile === SYSTEM ? {} : { rootFile }) } }
}

/** libpq verifies with `require`, too, where it is given an authority: https://www.postgresql.org/docs/18/libpq-ssl.html */
function modeOf({ mode, ssl, accept, caFile, rootFile }: TlsWish, isNamed: boolean): TlsMode | undefined {
  if (accept === 'accept_invalid_certs' || mode === 'no-verify' || ssl === 'no-verify') return 'require'
  if (mode === 'disable' || (mode === undefined && (ssl === 'false' || ssl === '0'))) return undefined
  if (mode === 'verify-ca' || mode === 'verify-full') return mode
  if (accept === 'strict') return 'verify-full'
  const root = rootFile ?? caFile
  if (mode === 'require' || ssl !== undefined) return root === undefined || root === SYSTEM ? 'require' : 'verify-ca'
  return isNamed ? 'verify-full' : undefined
}

/** The files that a connection reads. */
export function tlsFiles({ rootFile, certificateFile, keyFile, revocationFile }: TlsWanted): string[] {
  return [rootFile, certificateFile, keyFile, revocationFile].filter(file => file !== undefined)
}

/** What is wrong with the files of a connection, which can be read: at a connection the error would say less. */
export function tlsProblem(tls: TlsWanted): string | undefined {
  const contents = [
    pemProblem(tls.rootFile, 'CERTIFICATE'),
    pemProblem(tls.certificateFile, 'CERTIFICATE'),
    pemProblem(tls.keyFile, 'PRIVATE KEY'),
    pemProblem(tls.revocationFile, 'X509 CRL')
  ]
  const problem = contents.find(each => each !== undefined)
  if (problem !== undefined) return `names ${problem}`
  try {
    createSecureContext(tlsOptions(tls))
    return undefined
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException
    return code === 'ERR_OSSL_X509_KEY_VALUES_MISMATCH'
      ? 'names a key in sslkey that is not that of the certificate in sslcert'
      : `names certificates or keys that cannot be used (${message}): do sslkey, sslpassword and sslcert belong together?`
  }
}

/** Node takes a file without a certificate as one that names nobody. */
export function pemProblem(file: string | undefined, holding: string): string | undefined {
  return file === undefined || readFileSync(file, 'utf8').includes(`${holding}-----`)
    ? undefined
    : `${file}, which holds no ${holding} in PEM`
}

/** Of one connection: files are read each time, so that a certificate can be replaced. Throws as reading a file does. */
export function tlsOptions(tls: TlsWanted): ConnectionOptions {
  const read = (file: string | undefined) => (file === undefined ? undefined : readFileSync(file))
  const believesAnybody = tls.mode === 'require'
  const { serverName } = tls
  return defined({
    ca: read(tls.rootFile),
    cert: read(tls.certificateFile),
    key: read(tls.keyFile),
    crl: read(tls.revocationFile),
    passphrase: tls.passphrase,
    minVersion: tls.minVersion,
    maxVersion: tls.maxVersion,
    // An IP address is no name to ask for (RFC 6066).
    servername: serverName !== undefined && isIP(serverName) === 0 ? serverName : undefined,
    rejectUnauthorized: !believesAnybody,
    checkServerIdentity: identityCheck(tls)
  })
}

function identityCheck({ mode, serverName }: TlsWanted): ConnectionOptions['checkServerIdentity'] {
  if (mode === 'verify-ca') return () => undefined
  return serverName === undefined ? undefined : (_host, certificate) => checkServerIdentity(serverName, certificate)
}

function defined<T extends object>(values: T): T {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined)) as T
}
