import { randomBytes } from 'node:crypto'
import { statfsSync } from 'node:fs'
import { freemem, tmpdir } from 'node:os'
import { join } from 'node:path'
import { type EmbeddedPostgres, type EmbeddedPostgresOptions, startEmbeddedPostgres } from './embedded-postgres.js'

const MEMORY_FOLDER = '/dev/shm'
const GIB = 2 ** 30

/** A PostgreSQL on a free port with data in a temporary folder, gone when it stops or when this process ends. */
export async function startThrowAwayPostgres(
  options: Pick<EmbeddedPostgresOptions, 'settings'> = {}
): Promise<EmbeddedPostgres> {
  return await startEmbeddedPostgres({
    dataDir: join(temporaryFolder(), `tillworks-pg-${randomBytes(8).toString('hex')}`),
    password: randomBytes(12).toString('hex'),
    throwAway: true,
    ...options
  })
}

/** In memory where there is plenty: with a database for each shop, a disk's file system spends a sixth of the CPU on making files. */
export function temporaryFolder(): string {
  return freemem() > 8 * GIB && freeSpace(MEMORY_FOLDER) > 4 * GIB ? MEMORY_FOLDER : tmpdir()
}

function freeSpace(folder: string): number {
  try {
    const { bavail, bsize } = statfsSync(folder)
    return bavail * bsize
  } catch {
    return 0
  }
}
