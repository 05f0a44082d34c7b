import type { Command } from 'commander'
import { type VerificationState, verifyTrail } from '../shared/audit/trail-verification.js'
import type { Config } from '../shared/config/config.js'
import { messageOf } from '../shared/errors.js'
import type { Services } from '../shared/runtime/services.js'
import { type Bookmark, bookmarkOf } from './bookmark.js'
import { command, type Output } from './command.js'
import { withDatabase } from './environment.js'
import { FAILED, UNFINISHED } from './exit-code.js'
import { answer, print } from './print.js'
import { showProgress } from './progress.js'
import { terminal } from './terminal.js'

/** Recomputes every hash, slice by slice; names each row that was changed, removed or moved. */
export function verify(): Command {
  return command('verify', 'Recompute every hash of the trail; name each row that was changed, removed or moved.', {
    examples: ['audit verify', 'audit verify --resume'],
    exits: {
      0: 'the trail is sound',
      1: 'a row was changed, removed or moved',
      3: 'it could not finish, or lacks a key; nothing is known to be wrong'
    }
  })
    .option('--resume', 'go on where a verification was broken off', false)
    .action(async (options: Output & { resume: boolean }) => {
      const reached: Reached = { findings: [] }
      try {
        await withDatabase('audit verify', opened => verifyAll(opened, options, reached))
      } catch (error) {
        breakOff(options, reached, messageOf(error))
      }
    })
}

function breakOff(options: Output, { state, file, findings }: Reached, why: string): void {
  const { rows = 0, wrong = 0 } = state ?? {}
  const goOn = file === undefined ? 'Run it again.' : `Go on with: npm run ops -- audit verify --resume (from ${file})`
  terminal().stderr.write(
    `The verification could not finish, after ${rows} rows with ${wrong} problems: ${why}. ${goOn}\n`
  )
  terminal().exitCode = wrong > 0 ? FAILED : UNFINISHED
  answer(options, { finished: false, ...state, findings }, () => undefined)
}

interface Reached {
  findings: string[]
  state?: VerificationState
  /** Undefined when no bookmark was kept. */
  file?: string
}

async function verifyAll(
  { db, config, now }: Pick<Services, 'db' | 'now'> & { config: Pick<Config, 'audit' | 'auth' | 'database'> },
  options: Output & { resume: boolean },
  reached: Reached
): Promise<void> {
  const bookmark = bookmarkOf(config.database.url)
  const say = options.json ? () => undefined : print
  const from = options.resume ? bookmark.read() : undefined
  if (options.resume && from === undefined) {
    say(`No verification was broken off (${bookmark.file} is not there): this one begins with the first row.`)
  }
  if (from !== undefined) {
    say(`Going on from ${from.at.toISOString()}, after ${from.state.rows} rows (${bookmark.file}).`)
    Object.assign(reached, { state: from.state, file: bookmark.file })
  }
  const progress = showProgress()
  const interrupt = catchInterrupt()
  try {
    for await (const { state, findings } of verifyTrail(db, config, { from: from?.state })) {
      if (findings.length > 0) progress.clear()
      for (const finding of findings) say(finding)
      reached.findings.push(...findings)
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
  if (reached.state !== undefined) conclude(options, reached.state, reached.findings)
}

/** A verification is worth as much without a bookmark: that none can be kept is said once. */
function keep(bookmark: Bookmark, at: Date, state: VerificationState, reached: Reached): string | undefined {
  if (reached.state !== undefined && reached.file === undefined) return undefined
  try {
    bookmark.keep(at, state)
    return bookmark.file
  } catch (error) {
    terminal().stderr.write(`No bookmark is kept, and --resume has nothing to go on from: ${messageOf(error)}\n`)
    return undefined
  }
}

function conclude(options: Output, state: VerificationState, findings: string[]): void {
  const { rows, chains, tombstones, wrong, unknown } = state
  if (wrong > 0) terminal().exitCode = FAILED
  else if (unknown > 0) terminal().exitCode = UNFINISHED
  const found = [
    ...(wrong > 0 ? [`${wrong} problems`] : []),
    ...(unknown > 0 ? [`${unknown} tombstones cannot be told for the lack of a key`] : [])
  ]
  answer(options, { finished: true, rows, chains, tombstones, wrong, unknown, findings }, () =>
    print(`${rows} rows in ${chains} chains, ${tombstones} tombstones: ${found.join(', ') || 'sound'}.`)
  )
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
