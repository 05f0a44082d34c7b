// Prisma's own schema engine, in its WebAssembly form, so that no native engine has to be downloaded. What it applies
// is what `prisma migrate deploy` applies, and it keeps the same `_prisma_migrations` table. Parts of this are Prisma's
// internals and are pinned to one version: docs/decisions/0003-prisma-without-engine-downloads.md.
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { PrismaPg } from '@prisma/adapter-pg'
import {
  bindMigrationAwareSqlAdapterFactory,
  ColumnTypeEnum,
  type SqlQuery,
  type SqlQueryable
} from '@prisma/driver-adapter-utils'
import type { MigrationList, SchemaEngine } from '@prisma/schema-engine-wasm'
import pg from 'pg'
import { type Access, accessConfig } from '../shared/database/access.js'
import { BoundedClient, type BoundedConfig, connectBounded } from '../shared/database/bounded-client.js'
import { migrationNames, migrationsDir } from '../shared/database/migration-names.js'
import { SECOND } from '../shared/duration.js'
import { projectRoot } from '../shared/project-root.js'
import { type RoleUse, roleUse, withoutRole } from './app-role.js'
import { isLockTimeout, runScript } from './run-script.js'

declare const WebAssembly: {
  instantiate(bytes: Uint8Array, imports: object): Promise<{ instance: { exports: Record<string, unknown> } }>
}

const SCHEMA_PATH = join(projectRoot, 'prisma/schema.prisma')
const ANSWER_WITHIN = 30 * SECOND
const NO_FILTERS = { externalTables: [], externalEnums: [] }

export interface AppliedMigrations {
  names: string[]
  role: RoleUse
}

/**
 * Applies the migrations that the database has not had yet. `isRoleDispensable` when the application acts as its login
 * (DATABASE_ROLE=none): see roleUse().
 */
export async function applyMigrations(
  access: Access | string,
  { isRoleDispensable = false } = {}
): Promise<AppliedMigrations> {
  const role = await roleUse(access, isRoleDispensable)
  if (await isUpToDate(access)) return { names: [], role }
  const change = role === 'made' ? undefined : withoutRole
  const names = await withEngine({ access, change }, async engine => {
    try {
      const result = await engine.applyMigrations({ migrationsList: migrationList(), filters: NO_FILTERS })
      return result.appliedMigrationNames
    } catch (error) {
      if (isLockTimeout(error)) await forgetFailure(access)
      throw error
    }
  })
  return { names, role }
}

/** Spares the engine, which leaves a timer of ten seconds behind, when there is nothing to do. */
async function isUpToDate(access: Access | string): Promise<boolean> {
  const client = await connectBounded(access, ANSWER_WITHIN)
  try {
    const { rows } = await client.query<{ name: string }>(
      `SELECT "migration_name" AS name FROM "_prisma_migrations" WHERE "finished_at" IS NOT NULL AND "rolled_back_at" IS NULL`
    )
    const applied = new Set(rows.map(row => row.name))
    return migrationNames().every(name => applied.has(name))
  } catch (error) {
    const undefinedTable = '42P01'
    if ((error as { code?: string }).code === undefinedTable) return false
    throw error
  } finally {
    await client.end()
  }
}

/** A script that had no lock has changed nothing: the next run may try it again. */
async function forgetFailure(access: Access | string): Promise<void> {
  const client = await connectBounded(access, ANSWER_WITHIN)
  try {
    await client.query(
      `UPDATE "_prisma_migrations" SET "rolled_back_at" = now() WHERE "finished_at" IS NULL AND "rolled_back_at" IS NULL`
    )
  } finally {
    await client.end()
  }
}

/** The SQL that would bring what the migrations make up to the schema; empty when they agree. Needs CREATEDB. */
export async function missingMigration(access: Access | string): Promise<string> {
  return await withEngine({ access }, async engine => {
    const result = await engine.diff({
      from: { tag: 'migrations', ...migrationList() },
      to: { tag: 'schemaDatamodel', files: [{ path: SCHEMA_PATH, content: readFileSync(SCHEMA_PATH, 'utf8') }] },
      script: true,
      exitCode: null,
      filters: NO_FILTERS
    })
    const sql = result.stdout ?? ''
    return sql.includes('This is an empty migration') ? '' : sql.trim()
  })
}

function migrationList(): MigrationList {
  return {
    baseDir: migrationsDir,
    lockfile: {
      path: 'migration_lock.toml',
      content: readFileSync(join(migrationsDir, 'migration_lock.toml'), 'utf8')
    },
    shadowDbInitScript: '',
    migrationDirectories: migrationNames().map(name => ({
      path: name,
      migrationFile: {
        path: 'migration.sql',
        content: { tag: 'ok', value: readFileSync(join(migrationsDir, name, 'migration.sql'), 'utf8') }
      }
    }))
  }
}

function poolConfig(access: Access | string): pg.PoolConfig {
  const config: pg.PoolConfig & BoundedConfig = {
    ...accessConfig(typeof access === 'string' ? { url: access } : access, 'tillworks-migrate'),
    Client: BoundedClient,
    connectionTimeoutMillis: 5 * SECOND,
    // The shadow database is dropped while its pool is open, which nobody else may be connected to then.
    idleTimeoutMillis: 1
  }
  return config
}

/** `change` makes of the script of a migration what is run. */
async function withEngine<T>(
  { access, change = script => script }: { access: Access | string; change?: (script: string) => string },
  work: (engine: SchemaEngine) => Promise<T>
): Promise<T> {
  const { SchemaEngine } = await loadEngine()
  const datamodels: [string, string][] = [[SCHEMA_PATH, readFileSync(SCHEMA_PATH, 'utf8')]]
  // A pool of our own, so that its connections end with the work.
  const pool = new pg.Pool(poolConfig(access))
  // The pool hides its password, and the adapter copies its options for the shadow database.
  Object.defineProperty(pool.options, 'password', { enumerable: true })
  // As in connectBounded(). A migration takes as long as it takes.
  pool.on('error', () => undefined)
  const adapter = bindMigrationAwareSqlAdapterFactory(new CatalogueReadingPrismaPg(pool, change))
  const engine = await SchemaEngine.new({ datamodels }, () => undefined, adapter)
  try {
    return await work(engine)
  } finally {
    engine.free()
    await pool.end()
  }
}

/**
 * The adapter refuses the type "char" of PostgreSQL's own catalogue, which the engine reads; and it splits scripts at
 * every semicolon, also at those inside a function's body.
 */
class CatalogueReadingPrismaPg extends PrismaPg {
  readonly #change: (script: string) => string

  constructor(pool: pg.Pool, change: (script: string) => string) {
    super(pool)
    this.#change = change
  }

  override async connect() {
    return runningWholeScripts(readingChar(await super.connect()), this.#change)
  }

  override async connectToShadowDb() {
    const adapter = await super.connectToShadowDb()
    // It ends with its server, if not before.
    ;(adapter as unknown as { client: pg.Pool }).client.on('error', () => undefined)
    return runningWholeScripts(readingChar(adapter), this.#change)
  }
}

function runningWholeScripts<T extends SqlQueryable>(adapter: T, change: (script: string) => string): T {
  const own = adapter as unknown as { client: pg.Pool; onError(error: unknown): never }
  return Object.assign(adapter, {
    executeScript: async (script: string) => {
      await runScript(own.client, change(script)).catch(error => own.onError(error))
    }
  })
}

const CHAR_OID = 18
const TEXT_OID = 25

interface QueryPerformer extends SqlQueryable {
  performIO(query: SqlQuery): Promise<{ fields: { dataTypeID: number }[] }>
}

function readingChar<T extends SqlQueryable>(adapter: T): T {
  const performer = adapter as T & QueryPerformer
  const performIO = performer.performIO.bind(performer)
  const queryRaw = performer.queryRaw.bind(performer)
  const charColumns = new WeakMap<SqlQuery, number[]>()
  performer.performIO = async query => {
    const result = await performIO(query)
    charColumns.set(
      query,
      result.fields.flatMap((field, column) => (field.dataTypeID === CHAR_OID ? [column] : []))
    )
    for (const field of result.fields) if (field.dataTypeID === CHAR_OID) field.dataTypeID = TEXT_OID
    return result
  }
  performer.queryRaw = async query => {
    const result = await queryRaw(query)
    for (const column of charColumns.get(query) ?? []) result.columnTypes[column] = ColumnTypeEnum.Character
    return result
  }
  return adapter
}

let loaded: Promise<{ SchemaEngine: typeof SchemaEngine }> | undefined

async function loadEngine(): Promise<{ SchemaEngine: typeof SchemaEngine }> {
  loaded ??= instantiate()
  return await loaded
}

async function instantiate(): Promise<{ SchemaEngine: typeof SchemaEngine }> {
  const require = createRequire(import.meta.url)
  // biome-ignore lint/suspicious/noExplicitAny: wasm-bindgen's glue has no types of its own
  const glue: any = await import('@prisma/schema-engine-wasm/schema_engine_bg')
  const folder = dirname(require.resolve('@prisma/schema-engine-wasm/schema_engine_bg'))
  const wasm = readFileSync(join(folder, 'schema_engine_bg.wasm'))
  const { instance } = await WebAssembly.instantiate(wasm, { './schema_engine_bg.js': glue })
  glue.__wbg_set_wasm(instance.exports)
  ;(instance.exports.__wbindgen_start as () => void)()
  return glue
}
