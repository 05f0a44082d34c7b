import { execFileSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { chownSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { connectBounded } from '../shared/database/bounded-client.js'
import { type EmbeddedPostgres, startEmbeddedPostgres, unprivilegedUser } from './embedded-postgres.js'
import { eventually } from './eventually.js'
import { temporaryFolder } from './throw-away-postgres.js'

/** A primary and its standby, both on loopback and gone when they stop. */
export interface ReplicatedPostgres {
  primary: EmbeddedPostgres
  standby: EmbeddedPostgres
  /** Makes the standby a primary; resolves once it takes writes. */
  promote(): Promise<void>
  stop(): Promise<void>
}

const STANDBY_NAME = 'standby'
const COPIED_WITHIN = 60_000
/** What both do: a commit is on the disk, since what is lost is looked at. */
const DURABLE = { fsync: 'on', full_page_writes: 'on', synchronous_commit: 'on', wal_keep_size: '512MB' }

/**
 * Starts both. A synchronous standby has each commit before that is told. On the standby long reads are not cancelled
 * (hot_standby_feedback).
 */
export async function startReplicatedPostgres({ isSynchronous = true } = {}): Promise<ReplicatedPostgres> {
  const password = randomBytes(12).toString('hex')
  const folder = join(temporaryFolder(), `tillworks-pg-${randomBytes(8).toString('hex')}`)
  const primary = await startEmbeddedPostgres({ dataDir: folder, password, throwAway: true, settings: DURABLE })
  try {
    const dataDir = `${primary.dataDir}-standby`
    await copyRunning(primary, dataDir)
    const standby = await startEmbeddedPostgres({
      dataDir,
      password,
      throwAway: true,
      settings: { ...DURABLE, primary_conninfo: conninfo(primary), hot_standby_feedback: 'on' }
    })
    const stop = async () => {
      await Promise.all([standby.stop(), primary.stop()])
    }
    try {
      if (isSynchronous) await demandStandby(primary)
    } catch (error) {
      await stop()
      throw error
    }
    return { primary, standby, promote: () => ask(standby, 'SELECT pg_promote()').then(() => undefined), stop }
  } catch (error) {
    await primary.stop()
    throw error
  }
}

/** The package has no pg_basebackup: https://www.postgresql.org/docs/18/continuous-archiving.html#BACKUP-LOWLEVEL-BASE-BACKUP */
async function copyRunning(server: EmbeddedPostgres, dataDir: string): Promise<void> {
  const client = await connectBounded(server.url('postgres'), COPIED_WITHIN)
  try {
    await client.query(`SELECT pg_backup_start('standby', true)`)
    execFileSync('cp', ['-a', server.dataDir, dataDir])
    const { rows } = await client.query<{ label: string }>('SELECT labelfile AS label FROM pg_backup_stop(false)')
    for (const file of ['postmaster.pid', 'postmaster.opts']) rmSync(join(dataDir, file), { force: true })
    writeOwned(join(dataDir, 'backup_label'), rows[0]?.label ?? '')
    writeOwned(join(dataDir, 'standby.signal'), '')
  } catch (error) {
    rmSync(dataDir, { recursive: true, force: true })
    throw error
  } finally {
    await client.end()
  }
}

function writeOwned(file: string, text: string): void {
  writeFileSync(file, text)
  const user = unprivilegedUser()
  if (user !== undefined) chownSync(file, user.uid, user.gid)
}

function conninfo(primary: EmbeddedPostgres): string {
  const { hostname, port, username, password } = new URL(primary.url('postgres'))
  return `host=${hostname} port=${port} user=${username} password=${password} application_name=${STANDBY_NAME}`
}

/** From here on a commit is told once the standby has it. */
async function demandStandby(primary: EmbeddedPostgres): Promise<void> {
  await ask(primary, `ALTER SYSTEM SET synchronous_standby_names = '${STANDBY_NAME}'`)
  await ask(primary, 'SELECT pg_reload_conf()')
  const state = async () => (await ask(primary, 'SELECT sync_state FROM pg_stat_replication'))[0]?.sync_state
  const seen = await eventually(state, value => value === 'sync')
  if (seen !== 'sync')
    throw new Error(`The standby on loopback is ${seen ?? 'not there'}, not in step with its primary`)
}

async function ask(server: EmbeddedPostgres, statement: string): Promise<Record<string, unknown>[]> {
  const client = await connectBounded(server.url('postgres'), COPIED_WITHIN)
  try {
    return (await client.query<Record<string, unknown>>(statement)).rows
  } finally {
    await client.end()
  }
}
