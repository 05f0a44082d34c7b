// The operator's command: npm run ops -- help
import { closeProxies } from '../shared/runtime/outgoing.js'
import { runCommand } from './run-command.js'

// Whoever reads the output may have seen enough of it: `ops audit export | head`.
process.stdout.on('error', error => process.exit((error as NodeJS.ErrnoException).code === 'EPIPE' ? 0 : 1))
// What is said there is lost then, and the command goes on.
process.stderr.on('error', () => undefined)

await runCommand(process.argv.slice(2), process)
await closeProxies()
