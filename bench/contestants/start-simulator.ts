import { freePort } from '../../local/free-port.js'
import { projectRoot } from '../../shared/project-root.js'
import { WEBHOOK_SECRET } from '../load/deliveries.js'
import { type Server, startServer } from '../processes.js'

/** The simulated Stripe as a process of its own, each of whose answers waits `latencyMs`; it delivers to the ingress on this port. */
export async function startSimulator(latencyMs: number, ingressPort: number): Promise<Server> {
  const port = await freePort()
  const webhookUrl = `http://127.0.0.1:${ingressPort}/api/stripe/webhook`
  const endpoint = ['--webhook-url', webhookUrl, '--webhook-secret', WEBHOOK_SECRET]
  const args = ['--import', 'tsx', 'simulator/main.ts', '--port', String(port), ...endpoint]
  const server = await startServer({ args, cwd: projectRoot, env: {}, port, readyPath: '/_simulator/faults' })
  const faults = { method: 'POST', body: JSON.stringify({ latencyMs }) }
  const answer = await fetch(`http://127.0.0.1:${port}/_simulator/faults`, faults)
  if (!answer.ok) throw new Error(`The simulator refused its latency: ${await answer.text()}`)
  return server
}
