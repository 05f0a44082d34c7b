// The operator's command: npm run ops -- help
import { messageOf } from '../shared/errors.js'
import { Refused } from '../shared/refused.js'
import { commands } from './commands.js'
import { UsageError } from './usage-error.js'

// Whoever reads the output may have seen enough of it: `ops audit export | head`.
process.stdout.on('error', error => process.exit((error as NodeJS.ErrnoException).code === 'EPIPE' ? 0 : 1))

const [name = 'help', ...args] = process.argv.slice(2)
try {
  const command = commands[name]
  if (command === undefined) throw new UsageError(`There is no command "${name}".`)
  await command.run(args)
} catch (error) {
  process.stderr.write(`${messageOf(error)}\n${isUsageError(error) ? 'See: npm run ops -- help\n' : ''}`)
  process.exitCode = isUsageError(error) ? 2 : 1
}

/** Of the command line, ours or that of util.parseArgs, or of what it asks for. */
function isUsageError(error: unknown): boolean {
  return (
    error instanceof UsageError ||
    (error instanceof Refused && error.code === 'unclear_input') ||
    String((error as { code?: string } | null)?.code).startsWith('ERR_PARSE_ARGS')
  )
}
