import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'
import { SECOND } from '../duration.js'
import { currentTrace, recordCall, type TraceContext } from '../tracing.js'
import { type Access, type AccessConfig, accessConfig } from './access.js'
import { demandChannelBinding } from './channel-binding.js'
import { connectionFailure, type Knocking } from './connection-failure.js'
import { type Scope, Scoping } from './scope.js'
import { demandSession } from './session-attributes.js'
import { tlsOptions } from './tls.js'

/** What pg says when `query_timeout` is over (pg/lib/client.js). */
const NOT_ANSWERED = 'Query read timeout'
const END_WITHIN = 2 * SECOND
/** Of the bound of one statement: timers and answers are never to the millisecond. */
const SILENT_FOR = 0.9
const FAIL_AFTER = SECOND / 4

type Query = (...args: unknown[]) => unknown

/** A statement that was not answered. */
export interface Silence {
  /** When it was sent, in milliseconds of performance.now(). */
  sentAt: number
  /** The bound that it had of its own, in milliseconds; undefined when it had that of the connection. */
  ownBoundMs: number | undefined
}

type Sent = Silence & { trace: TraceContext | undefined }

/** Hears of each statement and how long it took, in milliseconds, and of statements and connections that failed. */
export interface StatementWatch {
  answered(name: string | undefined, ms: number): void
  failed(error: unknown): void
}

export interface BoundedConfig extends Partial<AccessConfig> {
  watch?: StatementWatch
  /** Shared by the connections of a pool. */
  knocking?: Knocking
  /** What holds in each of its transactions, where the start of a connection cannot set it. */
  scope?: Scope
}

/** https://www.postgresql.org/docs/18/errcodes-appendix.html */
const READ_ONLY_TRANSACTION = '25006'

/**
 * A connection to PostgreSQL that waits for nothing without an end. `query_timeout` bounds each statement on our side, for a
 * server that is gone without a word; a connection that it ran out on is ended, since its answer could still come and be
 * taken for that of the next statement. Farewells are bounded, too. One that leads to a server which takes no writes any more
 * (the primary has become a standby) is ended: the next one may find the new primary.
 */
export class BoundedClient extends pg.Client {
  /** In milliseconds; undefined for the `query_timeout` of the connection. */
  answerWithinMs: number | undefined
  /** When the server last finished something here, in milliseconds of performance.now(). */
  heardAt = performance.now()
  onSilence?: (silence: Silence) => void
  readonly #watch: StatementWatch | undefined
  /** In milliseconds. */
  readonly #usualBound: number | undefined
  #underWay = 0

  constructor(config: BoundedConfig = {}) {
    super(config)
    this.#watch = config.watch
    this.#usualBound = (config as pg.ClientConfig).query_timeout
    // The driver would take PGOPTIONS and PGREPLICATION of the environment.
    const { connectionParameters } = this as unknown as { connectionParameters: object }
    Object.assign(connectionParameters, { options: config.options, replication: undefined })
    if (config.channelBinding === 'require') demandChannelBinding(this.connection)
    demandSession(this.connection, config.sessionAttributes ?? 'any')
    const scoping = config.scope === undefined ? undefined : new Scoping(config.scope)
    const connect = super.connect.bind(this) as Query
    this.connect = ((callback?: (error: unknown, ...rest: unknown[]) => void) => {
      const failed = (error: unknown) => {
        if (!error) return error
        // Of a failure on our side (no password, a file that cannot be read) the server hears nothing, and would wait for a minute.
        this.connection.stream.destroy()
        this.#watch?.failed(error)
        const failure = connectionFailure(error, {
          password: this.password,
          hasCertificate: config.tls?.certificateFile !== undefined
        })
        config.knocking?.failed(failure)
        return failure
      }
      const refusal = config.knocking?.refusal()
      if (refusal !== undefined) return failLater(refusal, callback)
      try {
        if (config.tls !== undefined) Object.assign(this.connection, { ssl: tlsOptions(config.tls) })
      } catch (error) {
        if (callback === undefined) return Promise.reject(failed(error))
        return process.nextTick(callback, failed(error))
      }
      if (callback === undefined)
        return (connect() as Promise<unknown>).catch(error => {
          throw failed(error)
        })
      return connect((error: unknown, ...rest: unknown[]) => callback(failed(error), ...rest))
    }) as typeof this.connect
    const query = super.query.bind(this) as Query
    const bounded: Query = (statement, ...rest) => {
      const silence: Sent = { sentAt: performance.now(), ownBoundMs: this.#ownBound(statement), trace: currentTrace() }
      // One that is sent before those before it are answered has their time, too.
      const within = this.#withBound(statement, this.#underWay + 1)
      const callback = rest.at(-1)
      if (typeof callback === 'function') {
        this.#underWay++
        rest[rest.length - 1] = (error: unknown, result: unknown) => {
          this.#underWay--
          this.#tell(statement, silence, error)
          callback(error, result)
          this.#endWhenUseless(error, silence)
        }
      }
      const answer = scoping === undefined ? query(within, ...rest) : scoping.query(query, within, rest)
      if (answer instanceof Promise) {
        this.#underWay++
        answer.then(
          () => {
            this.#underWay--
            this.#tell(statement, silence, undefined)
          },
          error => {
            this.#underWay--
            this.#tell(statement, silence, error)
            this.#endWhenUseless(error, silence)
          }
        )
      }
      return answer
    }
    this.query = bounded as typeof this.query
    this.connection.on('readyForQuery', () => {
      this.heardAt = performance.now()
    })
    const end = super.end.bind(this) as Query
    this.end = ((...args: unknown[]) => {
      const timer = setTimeout(() => this.connection.stream.destroy(), END_WITHIN).unref()
      this.connection.once('end', () => clearTimeout(timer))
      return end(...args)
    }) as typeof this.end
  }

  /** Whether a statement is under way. */
  get isBusy(): boolean {
    return this.#underWay > 0
  }

  /** Ends a connection that is believed to be gone, as if it had broken. */
  abandon(reason: string): void {
    this.connection.stream.destroy(new Error(reason))
  }

  /** Begins statements that go out in one packet. */
  inOnePacket(statements: readonly (() => void)[]): void {
    this.connection.stream.cork()
    try {
      for (const begin of statements) begin()
    } finally {
      this.connection.stream.uncork()
    }
  }

  #tell(statement: unknown, { sentAt, trace }: Sent, error: unknown): void {
    if (this.#watch === undefined) return
    const ms = performance.now() - sentAt
    this.#watch.answered((statement as { name?: string }).name, ms)
    if (trace !== undefined) recordCall(trace, { ...spanOf(statement), ms, error })
    if (error) this.#watch.failed(error)
  }

  #ownBound(statement: unknown): number | undefined {
    return (statement as { query_timeout?: number }).query_timeout ?? this.answerWithinMs
  }

  /** `count` statements are to be answered until this one is, with it. */
  #withBound(statement: unknown, count: number): unknown {
    const bound = this.answerWithinMs ?? (count > 1 ? this.#usualBound : undefined)
    if (bound === undefined || isSubmittable(statement)) return statement
    const config = typeof statement === 'string' ? { text: statement } : (statement as object)
    return { query_timeout: bound * count, ...config }
  }

  #endWhenUseless(error: unknown, silence: Silence): void {
    if ((error as { code?: string } | undefined)?.code === READ_ONLY_TRANSACTION) this.abandon('it takes no writes')
    if (isOfOldSchema(error)) this.abandon('its statements were planned before a migration')
    if (!isNotAnswered(error)) return
    this.connection.stream.destroy(error as Error)
    // Of statements that were sent together, those before it may have been answered until a moment ago.
    const sentAt = Math.max(silence.sentAt, this.heardAt)
    const isSilent = performance.now() - sentAt >= SILENT_FOR * (silence.ownBoundMs ?? this.#usualBound ?? 0)
    if (isSilent) this.onSilence?.({ ...silence, sentAt })
  }
}

/**
 * A connection for a few statements of whoever calls, who ends it; each has `answerWithinMs` milliseconds. What breaks the
 * connection fails the statement under way.
 */
export async function connectBounded(
  access: Access | string,
  answerWithinMs: number,
  config: BoundedConfig = {}
): Promise<BoundedClient> {
  const client = new BoundedClient({
    ...accessConfig(typeof access === 'string' ? { url: access } : access, 'tillworks'),
    connectionTimeoutMillis: 5 * SECOND,
    query_timeout: answerWithinMs,
    ...config
  })
  // Without a listener it would end the process, too.
  client.on('error', () => undefined)
  await client.connect()
  return client
}

/** Whether `error` says that PostgreSQL did not answer a statement in time. */
export function isNotAnswered(error: unknown): boolean {
  return error instanceof Error && error.message === NOT_ANSWERED
}

/**
 * A statement that a connection has by name was planned before a migration changed what it returns. Another connection plans it
 * anew; this one never does. https://www.postgresql.org/docs/18/sql-prepare.html#SQL-PREPARE-NOTES
 */
export function isOfOldSchema(error: unknown): boolean {
  return error instanceof Error && /cached plan must not change result type/.test(error.message)
}

/** Lets the statements of a client of our pools take so long; undefined for as long as others do. */
export function allowAnswers(client: pg.ClientBase, withinMs: number | undefined): void {
  if (client instanceof BoundedClient) client.answerWithinMs = withinMs
}

/** Asks whether the server is still there; a connection that does not answer within `withinMs` milliseconds is ended. */
export async function askForLife(client: pg.ClientBase, withinMs: number): Promise<void> {
  const statement: pg.QueryConfig & { query_timeout: number } = { text: 'SELECT 1', query_timeout: withinMs }
  await client.query(statement)
}

/** Not at once: who waits for work would ask again in the same moment, and nothing else of the process had a turn. */
function failLater(error: unknown, callback?: (error: unknown) => void): unknown {
  if (callback === undefined) return sleep(FAIL_AFTER).then(() => Promise.reject(error))
  return setTimeout(callback, FAIL_AFTER, error)
}

/** By the statement's name, or by its first word: texts and parameters stay here. */
function spanOf(statement: unknown) {
  const { name, text } =
    typeof statement === 'string' ? { name: undefined, text: statement } : (statement as pg.QueryConfig)
  const summary = name ?? /^\s*(\w+)/.exec(text ?? '')?.[1]?.toUpperCase() ?? 'statement'
  return { name: summary, attributes: { 'db.system.name': 'postgresql', 'db.query.summary': summary } }
}

function isSubmittable(statement: unknown): boolean {
  return typeof (statement as { submit?: unknown }).submit === 'function'
}
