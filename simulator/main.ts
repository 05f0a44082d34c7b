// The Stripe simulator by itself: npm run sim -- --port 12111 --webhook-url URL --webhook-secret whsec_x
import { parseArgs } from 'node:util'
import { startSimulator } from './start.js'

const USAGE = `Usage: npm run sim -- [--port 12111] [--webhook-url URL --webhook-secret whsec_x] [--file state.json] [--debit-ms 5000] [--settle-in usd]
Point the official library at it with { host: '127.0.0.1', port: 12111, protocol: 'http' } and any key sk_test_…
Faults: POST JSON such as {"dropResponse":1,"duplicateDeliveries":0.5} to /_simulator/faults
`

try {
  const { values } = parseArgs({
    options: {
      port: { type: 'string', default: '12111' },
      'webhook-url': { type: 'string' },
      'webhook-secret': { type: 'string' },
      file: { type: 'string' },
      'debit-ms': { type: 'string', default: '5000' },
      'settle-in': { type: 'string' },
      help: { type: 'boolean', default: false }
    }
  })
  if (values.help) {
    process.stdout.write(USAGE)
    process.exit(0)
  }
  const url = values['webhook-url']
  const secret = values['webhook-secret']
  if ((url === undefined) !== (secret === undefined)) throw new Error('--webhook-url and --webhook-secret go together')
  const simulator = await startSimulator({
    port: Number(values.port),
    endpoint: url === undefined || secret === undefined ? undefined : { url, secret },
    file: values.file,
    debitMs: Number(values['debit-ms']),
    settlementCurrency: values['settle-in']?.toLowerCase()
  })
  process.stdout.write(`Stripe simulator: ${simulator.url}${url === undefined ? '' : `, events go to ${url}`}\n`)
  const stop = async () => {
    await simulator.close()
    process.exit(0)
  }
  process.on('SIGINT', stop)
  process.on('SIGTERM', stop)
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n${USAGE}`)
  process.exit(1)
}
