import { CommanderError } from 'commander'
import { messageOf } from '../shared/errors.js'
import { Refused } from '../shared/refused.js'
import { FAILED, MISUSED } from './exit-code.js'
import { createProgram } from './program.js'
import { at, type Terminal, terminal } from './terminal.js'
import { UsageError } from './usage-error.js'

/** Runs a command line, without "ops", at a terminal, whose exit code it sets. Never rejects. */
export async function runCommand([name = 'help', ...args]: string[], given: Terminal): Promise<void> {
  await at(given, async () => {
    try {
      await createProgram().parseAsync([name, ...args], { from: 'user' })
    } catch (error) {
      terminal().exitCode = failed(error)
    }
  })
}

function failed(error: unknown): number {
  // Commander has said what was wrong, or shown the help that was asked for.
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : MISUSED
  const misused = error instanceof UsageError || (error instanceof Refused && error.code === 'unclear_input')
  terminal().stderr.write(`${messageOf(error)}\n${misused ? 'See: npm run ops -- help\n' : ''}`)
  return misused ? MISUSED : FAILED
}
