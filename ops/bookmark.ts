import { createHash } from 'node:crypto'
import {
  closeSync,
  constants,
  fstatSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync
} from 'node:fs'
import { join } from 'node:path'
import { z } from 'zod'
import type { VerificationState } from '../shared/audit/trail-verification.js'
import { connectionUrl } from '../shared/database/connection-url.js'
import { operatorFolder } from './state-folder.js'

/**
 * Where a verification was broken off. The file is the operator's: in the database, the application could say that all
 * but the end has been looked at.
 */
export interface Bookmark {
  file: string
  /** Undefined when no verification was broken off. Throws when the file is not one that this user alone has written. */
  read(): { at: Date; state: VerificationState } | undefined
  keep(at: Date, state: VerificationState): void
  remove(): void
}

const Row = z.object({ chain: z.string(), sequence: z.int(), hash: z.string() })
const Tombstone = z.object({ chain: z.string(), rows: z.int(), lastHash: z.string() })
const count = z.int().min(0)
const Kept = z.object({
  at: z.coerce.date(),
  state: z.object({
    phase: z.enum(['rows', 'ends', 'tombstones', 'done']),
    row: Row.nullable(),
    end: z.string().nullable(),
    tombstone: Tombstone.nullable(),
    rows: count,
    chains: count,
    tombstones: count,
    wrong: count,
    unknown: count
  })
})

/** One for each database: of the same trail, a replica has another than the primary. */
export function bookmarkOf(databaseUrl: string): Bookmark {
  const { host, port, database = '' } = connectionUrl(databaseUrl)
  const name = database.replace(/[^\w-]/g, '_').slice(0, 64)
  const digest = createHash('sha256').update(`${host}:${port}/${database}`).digest('hex').slice(0, 12)
  const file = join(operatorFolder, `tillworks-audit-verify-${name}-${digest}.json`)
  return {
    file,
    read() {
      const text = readOwn(file)
      if (text === undefined) return undefined
      try {
        return Kept.parse(JSON.parse(text))
      } catch {
        throw new Error(`${file} is no bookmark: remove it, and verify without --resume`)
      }
    },
    keep(at, state) {
      mkdirSync(operatorFolder, { recursive: true, mode: 0o700 })
      const next = `${file}.${process.pid}`
      rmSync(next, { force: true })
      // In a folder that others write to, too: a file of theirs is never opened, nor one that a link of theirs points to.
      writeFileSync(next, JSON.stringify({ at, state }), { flag: 'wx', mode: 0o600 })
      renameSync(next, file)
    },
    remove() {
      rmSync(file, { force: true })
    }
  }
}

function readOwn(file: string): string | undefined {
  let descriptor: number
  try {
    descriptor = openSync(file, constants.O_RDONLY | constants.O_NOFOLLOW)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
  try {
    const { uid, mode } = fstatSync(descriptor)
    if (uid !== (process.getuid?.() ?? uid) || (mode & 0o022) !== 0) {
      throw new Error(`${file} can be written by others: remove it, and verify without --resume`)
    }
    return readFileSync(descriptor, 'utf8')
  } finally {
    closeSync(descriptor)
  }
}
