import { setTimeout as sleep } from 'node:timers/promises'
import type pg from 'pg'
import { SECOND } from '../shared/duration.js'

const LOCK_TIMEOUT = '55P03'

const PATIENCE = { lockTimeoutMs: 3 * SECOND, tries: 60, pauseMs: 5 * SECOND }

/**
 * Runs the script of a migration. Whoever waits for the lock of a table has all others wait behind it: so it waits for
 * three seconds, lets the others through, and tries again, for eight minutes. A script is one transaction, so that nothing of
 * it is left. What is done CONCURRENTLY stands in nobody's way and waits for as long as it takes.
 */
export async function runScript(pool: pg.Pool, script: string, patience = PATIENCE): Promise<void> {
  const client = await pool.connect()
  let broken: unknown
  try {
    await client.query(`SET lock_timeout = ${isConcurrent(script) ? 0 : patience.lockTimeoutMs}`)
    for (let tries = 1; ; tries++) {
      try {
        await client.query(script)
        return
      } catch (error) {
        if (!isLockTimeout(error) || tries === patience.tries) throw error
        process.stderr.write(`A migration waits for a lock that others hold (try ${tries} of ${patience.tries}).\n`)
        await sleep(patience.pauseMs)
      }
    }
  } catch (error) {
    broken = error
    throw error
  } finally {
    if (broken === undefined) await client.query('RESET lock_timeout')
    client.release(broken !== undefined)
  }
}

/** As pg tells it, or as the schema engine does, which quotes it. */
export function isLockTimeout(error: unknown): boolean {
  if ((error as { code?: string } | null)?.code === LOCK_TIMEOUT) return true
  return error instanceof Error && /55P03|canceling statement due to lock timeout/.test(error.message)
}

function isConcurrent(script: string): boolean {
  return /\b(INDEX|REINDEX)\s+CONCURRENTLY\b/i.test(script)
}
