import pg from 'pg'
import { SECOND } from '../duration.js'

/** What pg says when `query_timeout` is over (pg/lib/client.js). */
const NOT_ANSWERED = 'Query read timeout'
const END_WITHIN = 2 * SECOND

type Query = (...args: unknown[]) => unknown

/** A statement that was not answered. */
export interface Silence {
  /** When it was sent, in milliseconds of performance.now(). */
  sentAt: number
  /** The bound that it had of its own, in milliseconds; undefined when it had that of the connection. */
  ownBoundMs: number | undefined
}

/** Hears of each statement and how long it took, in milliseconds, and of statements and connections that failed. */
export interface StatementWatch {
  answered(name: string | undefined, ms: number): void
  failed(error: unknown): void
}

/**
 * A connection to PostgreSQL that waits for nothing without an end. `query_timeout` bounds each statement on our side, for a
 * server that is gone without a word; a connection that it ran out on is ended, since its answer could still come and be
 * taken for that of the next statement. Farewells are bounded, too.
 */
export class BoundedClient extends pg.Client {
  /** In milliseconds; undefined for the `query_timeout` of the connection. */
  answerWithinMs: number | undefined
  /** When the server last finished something here, in milliseconds of performance.now(). */
  heardAt = performance.now()
  onSilence?: (silence: Silence) => void
  readonly #watch: StatementWatch | undefined
  #underWay = 0

  constructor(config?: pg.ClientConfig & { watch?: StatementWatch }) {
    super(config)
    this.#watch = config?.watch
    const connect = super.connect.bind(this) as Query
    this.connect = ((callback?: (error: unknown, ...rest: unknown[]) => void) => {
      if (callback === undefined) return connect()
      return connect((error: unknown, ...rest: unknown[]) => {
        if (error) this.#watch?.failed(error)
        callback(error, ...rest)
      })
    }) as typeof this.connect
    const query = super.query.bind(this) as Query
    const bounded: Query = (statement, ...rest) => {
      const silence = { sentAt: performance.now(), ownBoundMs: this.#ownBound(statement) }
      const callback = rest.at(-1)
      if (typeof callback === 'function') {
        this.#underWay++
        rest[rest.length - 1] = (error: unknown, result: unknown) => {
          this.#underWay--
          this.#tell(statement, silence, error)
          callback(error, result)
          this.#endWhenSilent(error, silence)
        }
      }
      const answer = query(this.#withBound(statement), ...rest)
      if (answer instanceof Promise) {
        this.#underWay++
        answer
          .then(
            () => this.#tell(statement, silence, undefined),
            error => {
              this.#tell(statement, silence, error)
              this.#endWhenSilent(error, silence)
            }
          )
          .finally(() => {
            this.#underWay--
          })
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

  #tell(statement: unknown, { sentAt }: Silence, error: unknown): void {
    if (this.#watch === undefined) return
    this.#watch.answered((statement as { name?: string }).name, performance.now() - sentAt)
    if (error) this.#watch.failed(error)
  }

  #ownBound(statement: unknown): number | undefined {
    return (statement as { query_timeout?: number }).query_timeout ?? this.answerWithinMs
  }

  #withBound(statement: unknown): unknown {
    if (this.answerWithinMs === undefined || isSubmittable(statement)) return statement
    const config = typeof statement === 'string' ? { text: statement } : (statement as object)
    return { query_timeout: this.answerWithinMs, ...config }
  }

  #endWhenSilent(error: unknown, silence: Silence): void {
    if (!isNotAnswered(error)) return
    this.connection.stream.destroy(error as Error)
    this.onSilence?.(silence)
  }
}

/**
 * A connection for a few statements of whoever calls, who ends it; each has `answerWithinMs` milliseconds. What breaks the
 * connection fails the statement under way.
 */
export async function connectBounded(connectionString: string, answerWithinMs: number): Promise<BoundedClient> {
  const client = new BoundedClient({
    connectionString,
    connectionTimeoutMillis: 5 * SECOND,
    query_timeout: answerWithinMs,
    keepAlive: true,
    keepAliveInitialDelayMillis: 10 * SECOND
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

/** Lets the statements of a client of our pools take so long; undefined for as long as others do. */
export function allowAnswers(client: pg.ClientBase, withinMs: number | undefined): void {
  if (client instanceof BoundedClient) client.answerWithinMs = withinMs
}

/** Asks whether the server is still there; a connection that does not answer within `withinMs` milliseconds is ended. */
export async function askForLife(client: pg.ClientBase, withinMs: number): Promise<void> {
  const statement: pg.QueryConfig & { query_timeout: number } = { text: 'SELECT 1', query_timeout: withinMs }
  await client.query(statement)
}

function isSubmittable(statement: unknown): boolean {
  return typeof (statement as { submit?: unknown }).submit === 'function'
}
