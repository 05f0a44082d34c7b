import { parseArgs } from 'node:util'
import { type VerificationState, verifyTrail } from '../shared/audit/trail-verification.js'
import { messageOf } from '../shared/errors.js'
import type { Services } from '../shared/runtime/services.js'
import { type Bookmark, bookmarkOf } from './bookmark.js'
import { withDatabase } from './environment.js'
import { print } from './print.js'
import { showProgress } from './progress.js'

/** Neither sound nor wrong: the verification was broken off, or lacks a key. */
const UNDECIDED = 3

/**
 * Recomputes every hash, slice by slice; names each row that was changed, removed or moved. The exit code is 1 when there
 * is one, and 3 when the verification could not finish or lacks a key: then nothing is known to be wrong.
 */
export async function verify(args: string[]): Promise<void> {
  const { values } = parseArgs({ args, options: { resume: { type: 'boolean', default: false } } })
  const reached: Reached = {}
  try {
    await withDatabase(opened => verifyAll(opened, values.resume, reached))
  } catch (error) {
    const { rows = 0, wrong = 0 } = reached.state ?? {}
    const goOn =
      reached.file === undefined
        ? 'Run it again.'
        : `Go on with: npm run ops -- audit verify --resume (from ${reached.file})`
    process.stderr.write(
      `The verification could not finish, after ${rows} rows with ${wrong} problems: ${messageOf(error)}. ${goOn}\n`
    )
    process.exitCode = wrong > 0 ? 1 : UNDECIDED
  }
}

interface Reached {
  state?: VerificationState
  /** Undefined when no bookmark was kept. */
  file?: string
}

async function verifyAll(
  { db, config, now }: Pick<Services, 'config' | 'db' | 'now'>,
  resume: boolean,
  reached: Reached
): Promise<void> {
  const bookmark = bookmarkOf(config.database.url)
  const from = resume ? bookmark.read() : undefined
  if (resume && from === undefined) {
    print(`No verification was broken off (${bookmark.file} is not there): this one begins with the first row.`)
  }
  if (from !== undefined) {
    print(`Going on from ${from.at.toISOString()}, after ${from.state.rows} rows (${bookmark.file}).`)
    Object.assign(reached, { state: from.state, file: bookmark.file })
  }
  const progress = showProgress()
  const interrupt = catchInterrupt()
  try {
    for await (const { state, findings } of verifyTrail(db, config, { from: from?.state })) {
      for (const finding of findings) print(finding)
      reached.file = keep(bookmark, now(), state, reached)
      reached.state = state
      progress.show(`${state.rows} rows in ${state.chains} chains, ${state.wrong} problems (${state.phase})`)
      if (interrupt.came && state.phase !== 'done') throw new Error('it was interrupted')
    }
  } finally {
    interrupt.ignore()
    progress.clear()
  }
  if (reached.file !== undefined) bookmark.remove()
  if (reached.state !== undefined) conclude(reached.state)
}

/** A verification is worth as much without a bookmark: that none can be kept is said once. */
function keep(bookmark: Bookmark, at: Date, state: VerificationState, reached: Reached): string | undefined {
  if (reached.state !== undefined && reached.file === undefined) return undefined
  try {
    bookmark.keep(at, state)
    return bookmark.file
  } catch (error) {
    process.stderr.write(`No bookmark is kept, and --resume has nothing to go on from: ${messageOf(error)}\n`)
    return undefined
  }
}

function conclude({ rows, chains, tombstones, wrong, unknown }: VerificationState): void {
  const found = [
    ...(wrong > 0 ? [`${wrong} problems`] : []),
    ...(unknown > 0 ? [`${unknown} tombstones cannot be told for the lack of a key`] : [])
  ]
  print(`${rows} rows in ${chains} chains, ${tombstones} tombstones: ${found.join(', ') || 'sound'}.`)
  if (wrong > 0) process.exitCode = 1
  else if (unknown > 0) process.exitCode = UNDECIDED
}

/** The slice that is under way is finished and kept before the command ends. */
function catchInterrupt() {
  const caught = {
    came: false,
    ignore: () => {
      for (const signal of ['SIGINT', 'SIGTERM'] as const) process.off(signal, note)
    }
  }
  const note = () => {
    caught.came = true
  }
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, note)
  return caught
}
