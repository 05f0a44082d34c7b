import type pg from 'pg'
import { SECOND } from '../duration.js'
import { messageOf } from '../errors.js'
import type { Logger } from '../logger.js'
import { countReplicaRead, setReplicaLag } from '../metrics/database.js'
import { withinTime } from '../within-time.js'

/** Reads that may be as old as DATABASE_REPLICA_MAX_LAG_SECONDS says: those of people who look, never of what decides. */
export interface LateReads {
  /**
   * Does `work` on the replica, or on the primary where there is none, where it is away, or too far behind. `work` only reads,
   * since it is done again on the primary when the replica fails it.
   */
  read<T>(work: (pool: pg.Pool) => Promise<T>): Promise<T>
}

/** Less often while it is away, since who asks waits for the look. */
const LOOK_EVERY = { well: SECOND, away: 5 * SECOND }
const ANSWER_WITHIN = 3 * SECOND

interface Replay {
  isReplica: boolean
  /** Null when it has never replayed anything. */
  lagMs: number | null
}

/**
 * All that was received is replayed, while a primary sends: then nothing is behind, however long ago the last transaction was.
 * https://www.postgresql.org/docs/18/functions-admin.html#FUNCTIONS-RECOVERY-CONTROL
 */
const REPLAY = `SELECT pg_is_in_recovery() AS "isReplica", CASE
  WHEN EXISTS (SELECT FROM pg_catalog.pg_stat_wal_receiver) AND pg_last_wal_receive_lsn() = pg_last_wal_replay_lsn() THEN 0
  ELSE GREATEST(0, extract(epoch FROM clock_timestamp() - pg_last_xact_replay_timestamp()) * 1000)::float8 END AS "lagMs"`

/** Milliseconds; throws when that server is no replica, or does not tell. */
export async function measureLag(replica: Pick<pg.Pool, 'query'>): Promise<number> {
  const { rows } = await withinTime(replica.query<Replay>(REPLAY), ANSWER_WITHIN, 'the replica does not answer')
  const [replay] = rows
  if (!replay?.isReplica) throw new Error('DATABASE_REPLICA_URL leads to a server that is no replica')
  if (replay.lagMs === null) throw new Error('the replica does not tell how far it is behind')
  return replay.lagMs
}

/** Says in the log once when the replica cannot be read, and once when it can again. */
export function openLateReads(options: {
  primary: pg.Pool
  replica: pg.Pool | undefined
  maxLagMs: number
  log: Logger
}): LateReads {
  const { primary, replica, maxLagMs, log } = options
  if (replica === undefined) return { read: work => work(primary) }
  let isRead = true
  const tell = (reason: string | undefined) => {
    if ((reason === undefined) === isRead) return
    isRead = reason === undefined
    if (isRead) log.info('the replica is read again')
    else log.warn({ reason }, 'the replica is not read; the primary is, until it can be')
  }
  let latest: { at: number; problem: Promise<string | undefined> } | undefined
  const look = async (): Promise<string | undefined> => {
    try {
      const lagMs = await measureLag(replica)
      setReplicaLag(lagMs / SECOND)
      return lagMs > maxLagMs ? `it is ${Math.round(lagMs / SECOND)} s behind` : undefined
    } catch (error) {
      setReplicaLag(undefined)
      return messageOf(error)
    }
  }
  const problem = async () => {
    if (latest === undefined || performance.now() - latest.at >= LOOK_EVERY[isRead ? 'well' : 'away'])
      latest = { at: performance.now(), problem: look() }
    const found = await latest.problem
    tell(found)
    return found
  }
  return {
    async read(work) {
      if ((await problem()) === undefined) {
        try {
          const result = await work(replica)
          countReplicaRead('replica')
          return result
        } catch (error) {
          // A long read can be cancelled there, since what it reads is removed on the primary; and what is wrong with the
          // read itself is as wrong there.
          log.debug({ reason: messageOf(error) }, 'a read failed on the replica; the primary is asked')
        }
      }
      countReplicaRead('primary')
      return await work(primary)
    }
  }
}
