// The operator's command: npm run ops -- help
import { CommanderError } from 'commander'
import { messageOf } from '../shared/errors.js'
import { Refused } from '../shared/refused.js'
import { FAILED, MISUSED } from './exit-code.js'
import { createProgram } from './program.js'
import { UsageError } from './usage-error.js'

// Whoever reads the output may have seen enough of it: `ops audit export | head`.
process.stdout.on('error', error => process.exit((error as NodeJS.ErrnoException).code === 'EPIPE' ? 0 : 1))

const [name = 'help', ...args] = process.argv.slice(2)
try {
  await createProgram().parseAsync([name, ...args], { from: 'user' })
} catch (error) {
  process.exitCode = failed(error)
}

function failed(error: unknown): number {
  // Commander has said what was wrong, or shown the help that was asked for.
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : MISUSED
  const misused = error instanceof UsageError || (error instanceof Refused && error.code === 'unclear_input')
  process.stderr.write(`${messageOf(error)}\n${misused ? 'See: npm run ops -- help\n' : ''}`)
  return misused ? MISUSED : FAILED
}
