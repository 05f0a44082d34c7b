import { SECOND } from '../duration.js'

/** What connections failed with before they were made, with what can be done about it. */
const remedies = new WeakMap<object, string | undefined>()

interface SignIn {
  /** What was told to the server. */
  password: unknown
  hasCertificate: boolean
}

/** Marks `error` as what a connection failed with before it was made, and adds to its message what can be done about it. */
export function connectionFailure(error: unknown, signIn: Partial<SignIn> = {}): unknown {
  if (!isFailure(error) || remedies.has(error)) return error
  const remedy = remedyFor(error, signIn)
  remedies.set(error, remedy)
  if (remedy !== undefined) error.message = `${error.message.trim()}. ${remedy}`
  return error
}

/** Whether there was no connection: what was to be done on it was not begun. */
export function isConnectionFailure(error: unknown): boolean {
  return remedies.has(error as object)
}

/** What whoever runs this can do about it. Undefined where that is not known, as for a server that is away. */
export function remedyOf(error: unknown): string | undefined {
  if (!isFailure(error)) return undefined
  return remedies.get(error) ?? remedyFor(error, {})
}

/** Of any realm. */
function isFailure(error: unknown): error is Failure {
  return typeof error === 'object' && error !== null && 'message' in error
}

interface Failure {
  message: string
  code?: string
}

/** For how long nobody knocks again where one was refused. */
const PAUSE_MS = SECOND

/**
 * Of a pool: where a connection was refused (a password, a certificate), others fail by the same for a moment. Each would be a
 * handshake and a failed login, which hosts count, and those who wait for work try again many times a second.
 */
export class Knocking {
  #refusal: { error: unknown; at: number } | undefined

  /** What to fail with, in place of knocking. */
  refusal(): unknown {
    if (this.#refusal === undefined || performance.now() - this.#refusal.at >= PAUSE_MS) return undefined
    return this.#refusal.error
  }

  failed(error: unknown): void {
    const { code = '' } = error as Failure
    const isRefused = remedies.get(error as object) !== undefined && !NO_ROOM.test(code)
    if (isRefused) this.#refusal = { error, at: performance.now() }
  }
}

/** What a server says that takes no connection without TLS: PostgreSQL, PgBouncer, and the proxies of hosts. */
const WANTS_TLS = /no encryption|SSL off|SSL (connection )?(is )?required|insecure/i
const PASSWORD_REFUSED = '28P01'
/** Of connections: it may have room in the next moment. */
const NO_ROOM = /^53/

/** Sources: https://www.postgresql.org/docs/18/errcodes-appendix.html, https://nodejs.org/api/tls.html#x509-certificate-error-codes */
const KNOWN: readonly [code: RegExp, message: RegExp, remedy: string][] = [
  [
    /^(SELF_SIGNED_|DEPTH_ZERO_|UNABLE_TO_|CERT_UNTRUSTED|CERT_REJECTED|INVALID_CA|CERT_SIGNATURE_FAILURE)/,
    /^/,
    'Nobody who is believed has signed the certificate of the server: name the authority of its host in DATABASE_CA_FILE, or in sslrootcert'
  ],
  [
    /^(ERR_TLS_CERT_ALTNAME_|HOSTNAME_MISMATCH)/,
    /^/,
    'The certificate is that of another host: write a name that is in it into DATABASE_URL (hostaddr says where that is), or sslmode=verify-ca, which takes any host of the authority'
  ],
  [/^CERT_/, /^/, 'Put another certificate on the server, and look at the clocks of both'],
  [
    /^/,
    /does not support SSL/,
    'The server has no TLS: switch ssl on there, or write sslmode=disable into DATABASE_URL'
  ],
  [
    /^/,
    /no pg_hba\.conf entry.*no encryption/,
    'pg_hba.conf has no line that lets this user into this database from here without TLS. If the server has TLS, write sslmode=verify-full into DATABASE_URL, with the authority of its host in DATABASE_CA_FILE; else add such a line'
  ],
  [
    /^/,
    WANTS_TLS,
    'The server wants TLS: write sslmode=verify-full into DATABASE_URL, with the authority of its host in DATABASE_CA_FILE'
  ],
  [
    /_ALERT_.*(CERTIFICATE|UNKNOWN_CA)|^28000$/,
    /certificate|unknown ca/,
    'Name a certificate that the server takes, and its key, in sslcert and sslkey of DATABASE_URL; the user has to be the one that it is made out to'
  ],
  [
    /^/,
    /protocol version/,
    'The server has none of these versions of TLS: change ssl_min_protocol_version or ssl_max_protocol_version in DATABASE_URL'
  ],
  [
    /^/,
    /find digest for|SASL channel binding:/,
    'The certificate of the server knows no channel binding: write channel_binding=disable into DATABASE_URL, or put another certificate on it'
  ],
  [
    /^/,
    /offers no channel binding/,
    'Use TLS (sslmode), a password that is stored as SCRAM, and no pooler that ends TLS; or take channel_binding out'
  ],
  [
    /^/,
    /asks for a password and there is none/,
    'Write it into DATABASE_URL, or name a file that holds it in DATABASE_PASSWORD_FILE'
  ],
  [/^/, /file of DATABASE_PASSWORD_FILE/, 'Whoever changes the password puts a whole file in its place, by renaming'],
  [/^/, /\(DATABASE_ROLE\)/, 'A pooler stands in between since the start: start the process again'],
  [/^/, /not what target_session_attrs/, 'Name the server that is, or an address that follows it'],
  [/^28/, /^/, 'Check the user and the password in DATABASE_URL, or in the file of DATABASE_PASSWORD_FILE'],
  [/^3D000$/, /^/, 'Create the database, or name another one in DATABASE_URL'],
  [
    /^(42704|22023|42501)$/,
    /^/,
    'The role of DATABASE_ROLE has to exist and the login has to be in it: npm run db:migrate, or docs/operations.md#database-roles'
  ],
  [NO_ROOM, /^/, 'It has no connection left: raise max_connections or lower DATABASE_POOL_SIZE']
]

function remedyFor({ code = '', message }: Failure, { password, hasCertificate }: Partial<SignIn>): string | undefined {
  const remedy = KNOWN.find(([codes, messages]) => codes.test(code) && messages.test(message))?.[2]
  if (code !== PASSWORD_REFUSED) return remedy
  // PostgreSQL says the same of a certificate that is made out to another user.
  const certificate = hasCertificate ? '; is the certificate of sslcert made out to that user?' : ''
  const characters = isPreparedOtherwise(password)
    ? '; it has characters that are told in several ways: use a password of letters, digits and signs of ASCII'
    : ''
  return `${remedy}${certificate}${characters}`
}

/** The driver normalizes each password; PostgreSQL leaves some as they are, by tables of Unicode 3.2 (RFC 4013). */
function isPreparedOtherwise(password: unknown): boolean {
  return typeof password === 'string' && /[\u0080-\uffff]/.test(password)
}
