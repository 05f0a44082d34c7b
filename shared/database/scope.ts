import pg from 'pg'

/** Settings of PostgreSQL's that hold for one transaction, by name. */
export type Scope = Readonly<Record<string, string>>

type Send = (...args: unknown[]) => unknown
type Callback = (error: Error, result: pg.QueryResult) => void

const BEGINS = /^\s*(?:BEGIN|START\s+TRANSACTION)\b[^;]*/i
const ENDS = /^\s*(?:COMMIT|END|ABORT|ROLLBACK(?!\s+(?:WORK\s+|TRANSACTION\s+)?TO\b))\b/i

/**
 * Sets a scope in each transaction of one connection, within the same round trip, for poolers that give each transaction
 * another connection of the server's and take none of this on connecting (docs/decisions/0038).
 *
 * A statement by itself goes out together with the scope, before one Sync: to PostgreSQL the two are one transaction, so
 * that nothing runs without its scope and nothing of it is left behind
 * (https://www.postgresql.org/docs/18/protocol-flow.html#PROTOCOL-FLOW-PIPELINING). No statement keeps a name: it would be
 * known to one connection of the server's alone.
 */
export class Scoping {
  readonly #select: string
  readonly #sets: string
  #isInTransaction = false

  constructor(scope: Scope) {
    const entries = Object.entries(scope).map(([name, value]) => [name, pg.escapeLiteral(value)] as const)
    this.#select = `SELECT ${entries.map(([name, value]) => `pg_catalog.set_config('${name}', ${value}, true)`).join(', ')}`
    this.#sets = entries.map(([name, value]) => `SET LOCAL ${name} = ${value}`).join('; ')
  }

  /** Sends a statement by `send`, which is query() of the driver, and returns what that does. */
  query(send: Send, statement: unknown, rest: unknown[]): unknown {
    if (typeof (statement as { submit?: unknown }).submit === 'function')
      throw new Error('A query of another class cannot be scoped to its transaction')
    const { name: _name, ...config } =
      typeof statement === 'string' ? { text: statement, name: undefined } : (statement as pg.QueryConfig)
    if (BEGINS.test(config.text)) {
      this.#isInTransaction = true
      return send({ ...config, text: config.text.replace(BEGINS, begin => `${begin}; ${this.#sets}`) }, ...rest)
    }
    if (ENDS.test(config.text)) {
      this.#isInTransaction = false
      return send(config, ...rest)
    }
    return this.#isInTransaction ? send(config, ...rest) : this.#sendScoped(send, config, rest)
  }

  #sendScoped(send: Send, config: pg.QueryConfig, rest: unknown[]): unknown {
    const query = new ScopedQuery(this.#select, config, rest)
    if (query.callback !== undefined) return send(query)
    return new Promise((resolve, reject) => {
      query.callback = (error, result) => (error ? reject(error) : resolve(result))
      send(query)
    })
  }
}

/** A statement of its own, with a scope before it. */
class ScopedQuery extends (pg.Query as unknown as new (
  config: pg.QueryConfig & { queryMode: 'extended' },
  ...rest: unknown[]
) => DriverQuery) {
  /** The driver reads the bound of a statement here. */
  readonly query_timeout: number | undefined
  readonly #select: string
  #isScoped = false

  constructor(select: string, config: pg.QueryConfig, rest: unknown[]) {
    super({ ...config, queryMode: 'extended' }, ...rest)
    this.#select = select
    this.query_timeout = (config as { query_timeout?: number }).query_timeout
  }

  override prepare(connection: DriverConnection): void {
    connection.parse({ text: this.#select })
    connection.bind({})
    connection.execute({})
    super.prepare(connection)
  }

  override handleDataRow(message: unknown): void {
    if (this.#isScoped) super.handleDataRow(message)
  }

  override handleCommandComplete(message: unknown, connection: DriverConnection): void {
    if (this.#isScoped) super.handleCommandComplete(message, connection)
    this.#isScoped = true
  }
}

/** What of the driver's own classes is used, which its types leave out. */
interface DriverQuery {
  callback?: Callback
  prepare(connection: DriverConnection): void
  handleDataRow(message: unknown): void
  handleCommandComplete(message: unknown, connection: DriverConnection): void
}

interface DriverConnection {
  parse(statement: { text: string }): void
  bind(portal: object): void
  execute(portal: object): void
}
