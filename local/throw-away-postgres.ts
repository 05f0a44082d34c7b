import { randomBytes } from 'node:crypto'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type EmbeddedPostgres, startEmbeddedPostgres } from './embedded-postgres.js'

/** A PostgreSQL on a free port with data in a temporary folder, gone when it stops or when this process ends. */
export async function startThrowAwayPostgres(): Promise<EmbeddedPostgres> {
  return await startEmbeddedPostgres({
    dataDir: join(tmpdir(), `tillworks-pg-${randomBytes(8).toString('hex')}`),
    password: randomBytes(12).toString('hex'),
    throwAway: true
  })
}
