import { createHmac } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { newId } from '../../shared/ids.js'
import { projectRoot } from '../../shared/project-root.js'
import { PINNED_API_VERSION } from '../../shared/runtime/stripe-version.js'

export const WEBHOOK_SECRET = 'whsec_of_the_bench'
const BYTES = 2_200

/** Writes so many signed events, each with an id of its own, for deliveries.lua. Signatures are good for five minutes. */
export function writeDeliveries(file: string, count: number): void {
  const template = eventOfSize()
  const second = Math.floor(Date.now() / 1_000)
  const lines: string[] = []
  for (let each = 0; each < count; each++) {
    const body = template.replace('evt_placeholder', `evt_${newId()}`)
    lines.push(signatureOf(body, second), body)
  }
  writeFileSync(file, `${lines.join('\n')}\n`)
}

export function signatureOf(body: string, second: number): string {
  const signature = createHmac('sha256', WEBHOOK_SECRET).update(`${second}.${body}`).digest('hex')
  return `t=${second},v1=${signature}`
}

/** A recorded PaymentIntent event, of the pinned version, with metadata of a shop to make it as long as these usually are. */
function eventOfSize(): string {
  const file = join(projectRoot, 'tests/events/payment_intent.succeeded__stripe-sync-engine.json')
  const event = JSON.parse(readFileSync(file, 'utf8'))
  Object.assign(event, { id: 'evt_placeholder', api_version: PINNED_API_VERSION, livemode: false })
  event.data.object.metadata = { note: '' }
  event.data.object.metadata.note = 'x'.repeat(Math.max(0, BYTES - JSON.stringify(event).length))
  return JSON.stringify(event)
}
