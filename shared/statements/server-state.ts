import { Prisma } from '../../prisma/generated/client.js'
import type { Queryable } from '../database/database.js'

/** The server as a connection of ours sees it. */
export interface ServerState {
  version: string
  /** 180004 for 18.4. */
  versionNumber: number
  database: string
  /** Where unqualified names are looked for first; null when there is no such schema. */
  schema: string | null
  timeZone: string
  login: string
  /** What the connection acts as. */
  role: string
  isSuperuser: boolean
  /** A replica, or one that is set to be read only. */
  isReadOnly: boolean
}

export async function readServerState(db: Queryable): Promise<ServerState> {
  const { rows } = await db.query<ServerState>(
    `SELECT current_setting('server_version') AS version, current_setting('server_version_num')::int AS "versionNumber",
       current_database() AS database, current_schema() AS schema, current_setting('TimeZone') AS "timeZone",
       session_user AS login, current_user AS role,
       (SELECT rolsuper FROM pg_catalog.pg_roles WHERE rolname = current_user) AS "isSuperuser",
       (pg_is_in_recovery() OR current_setting('transaction_read_only')::boolean) AS "isReadOnly"`
  )
  return rows[0] as ServerState
}

/** What the application adds to and never changes, and what the database alone writes. */
const APPENDED = ['PaymentAuditLog', 'LedgerPosting']
const OWNED = ['AuditChain', 'AuditTombstone', 'AuditPolicy']

export interface Rights {
  /** Tables that are ours and cannot be used as they have to be, each with what is missing. */
  missing: string[]
  /** What the application could change of what it should not be able to. */
  tooMuch: string[]
}

/** What the present role may do with the tables that there are. */
export async function readRights(db: Queryable): Promise<Rights> {
  const { rows } = await db.query<{ table: string; right: string; has: boolean }>(
    `SELECT c.relname AS "table", r."right",
       CASE r."right" WHEN 'DELETE' THEN has_table_privilege(c.oid, 'DELETE') ELSE has_any_column_privilege(c.oid, r."right") END AS has
     FROM pg_catalog.pg_class c CROSS JOIN (VALUES ('SELECT'), ('INSERT'), ('UPDATE'), ('DELETE')) r("right")
     WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') AND c.relname = ANY($1)
     ORDER BY 1, 2`,
    [Object.values(Prisma.ModelName)]
  )
  const needed = ({ table, right }: { table: string; right: string }) =>
    right === 'SELECT' || (!OWNED.includes(table) && (right === 'INSERT' || !APPENDED.includes(table)))
  const words = ({ table, right }: { table: string; right: string }) => `${right} on "${table}"`
  return {
    missing: rows.filter(row => needed(row) && !row.has).map(words),
    tooMuch: rows.filter(row => !needed(row) && row.has).map(words)
  }
}

export interface SchemaRights {
  login: string
  database: string
  mayCreate: boolean
  /** Null when there is no such schema. */
  mayUse: boolean | null
}

/** Whether the login may use a schema, or make it. */
export async function readSchemaRights(db: Queryable, schema: string): Promise<SchemaRights> {
  const { rows } = await db.query<SchemaRights>(
    `SELECT session_user AS login, current_database() AS database, has_database_privilege(current_database(), 'CREATE') AS "mayCreate",
       (SELECT has_schema_privilege(oid, 'USAGE') FROM pg_catalog.pg_namespace WHERE nspname = $1) AS "mayUse"`,
    [schema]
  )
  return rows[0] as SchemaRights
}

export interface AppliedMigration {
  name: string
  /** Begun and neither finished nor rolled back. */
  isBroken: boolean
}

/** Empty for a database that was never migrated. */
export async function readAppliedMigrations(db: Queryable): Promise<AppliedMigration[]> {
  const { rows: known } = await db.query(`SELECT FROM pg_catalog.pg_tables WHERE tablename = '_prisma_migrations'`)
  if (known.length === 0) return []
  const { rows } = await db.query<AppliedMigration>(
    `SELECT "migration_name" AS name, bool_and("finished_at" IS NULL) AS "isBroken" FROM "_prisma_migrations"
     WHERE "rolled_back_at" IS NULL GROUP BY 1 ORDER BY 1`
  )
  return rows
}

export async function readServerClock(db: Queryable): Promise<Date> {
  const { rows } = await db.query<{ at: Date }>('SELECT clock_timestamp() AS at')
  return rows[0]?.at as Date
}

/** Which of the server's processes answers. */
export async function readBackend(db: Queryable): Promise<number> {
  const { rows } = await db.query<{ pid: number }>('SELECT pg_backend_pid() AS pid')
  return rows[0]?.pid as number
}

/** From now on unqualified names are looked for in `schema` on this connection. */
export async function lookIn(db: Queryable, schema: string): Promise<void> {
  await db.query(`SELECT set_config('search_path', $1, false)`, [schema])
}

/** A setting that means nothing to PostgreSQL: whoever sets it on connecting sees whether that arrives. */
export const START_MARK = 'tillworks.mark'

export interface Start {
  pid: number
  mark: string | null
  statementTimeoutMs: number
}

/** Which of the server's processes answers, and what of the start of its connection has arrived there. */
export async function readStart(db: Queryable): Promise<Start> {
  const { rows } = await db.query<Start>(
    `SELECT pg_backend_pid() AS pid, current_setting('${START_MARK}', true) AS mark,
       (SELECT setting::int FROM pg_catalog.pg_settings WHERE name = 'statement_timeout') AS "statementTimeoutMs"`
  )
  return rows[0] as Start
}

export interface ServerLoad {
  connections: number
  maxConnections: number
  database: string
  databaseBytes: number
}

/** Connections of all clients of the server, how many it takes, and the size of this database. */
export async function readServerLoad(db: Queryable): Promise<ServerLoad> {
  const { rows } = await db.query<ServerLoad>(
    `SELECT (SELECT sum(numbackends)::int FROM pg_catalog.pg_stat_database) AS connections,
       current_setting('max_connections')::int AS "maxConnections", current_database() AS database,
       pg_database_size(current_database()) AS "databaseBytes"`
  )
  return rows[0] as ServerLoad
}
