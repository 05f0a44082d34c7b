import type { Command } from 'commander'
import type { WebhookEvent, WebhookEventStatus } from '../prisma/generated/client.js'
import { replayEvent, resolveDeadEvent } from '../shared/orders/replay-event.js'
import { Refused } from '../shared/refused.js'
import { listEvents, showEvent } from '../shared/statements/webhook-events.js'
import { choice, rows, text } from './arguments.js'
import { command, group, type Output } from './command.js'
import { operator, why, withDatabase, withQueues } from './environment.js'
import { localTime } from './local-time.js'
import { answer, print } from './print.js'
import { printTable } from './table.js'

const STATUSES: WebhookEventStatus[] = ['RECEIVED', 'PROCESSED', 'IGNORED', 'DEAD', 'RESOLVED']

export function events(): Command {
  return group('events', 'Webhook events, as Stripe delivered them.', [list(), show(), replay(), resolve()])
}

function list(): Command {
  return command('list', 'The newest events.', { examples: ['events list --status dead'] })
    .addOption(choice('--status <status>', 'only those', STATUSES))
    .option('--limit <rows>', 'how many', rows, 20)
    .action(async (options: Output & { status?: WebhookEventStatus; limit: number }) => {
      await withDatabase('events list', async ({ db }) =>
        answer(options, await listEvents(db, options.status, options.limit), found =>
          printTable([
            ['RECEIVED', 'STATUS', 'TYPE', 'ID', 'NOTE'],
            ...found.map(row => [localTime(row.receivedAt), row.status, row.type, row.id, row.error ?? ''])
          ])
        )
      )
    })
}

function show(): Command {
  return command('show', 'An event with its payload.', { examples: ['events show evt_1Q2w3e'] })
    .argument('<event>', 'its id')
    .action(async (id: string, options: Output) => {
      await withDatabase('events show', async ({ db }) => {
        const row = await showEvent(db, id)
        if (row === null) throw new Refused('event_not_found', `There is no event ${id}.`)
        answer(options, { ...row, payload: JSON.parse(row.payload) as unknown }, view)
      })
    })
}

function view(event: Omit<WebhookEvent, 'payload'> & { payload: unknown }): void {
  print(`${event.id}  ${event.type}  ${event.status}`)
  print(`Created ${localTime(event.created)}, received ${localTime(event.receivedAt)}, tried ${event.attempts} times.`)
  if (event.error !== null) print(`Error: ${event.error}`)
  if (event.resolvedBy !== null) print(`Resolved by ${event.resolvedBy}: ${event.note ?? ''}`)
  print(`\n${JSON.stringify(event.payload, null, 2)}`)
}

function replay(): Command {
  return command('replay', 'Apply a dead event again.', { examples: ['events replay evt_1Q2w3e --note "mended"'] })
    .argument('<event>', 'its id')
    .option('--note <text>', 'why, for the audit trail; asked for at a terminal')
    .action(async (id: string, options: Output & { note?: string }) => {
      await withQueues('events replay', async services => {
        await replayEvent(services, id, { operator: operator(), note: await why(options.note) })
        answer(options, { eventId: id, status: 'RECEIVED' }, () =>
          print(`Event ${id} will be applied again. See: npm run ops -- events show ${id}`)
        )
      })
    })
}

function resolve(): Command {
  return command('resolve', 'Say how a dead event was dealt with.', {
    examples: ['events resolve evt_1Q2w3e --note "refunded by hand"']
  })
    .argument('<event>', 'its id')
    .requiredOption('--note <text>', 'how it was dealt with', text)
    .action(async (id: string, options: Output & { note: string }) => {
      await withDatabase('events resolve', async services => {
        await resolveDeadEvent(services, id, { operator: operator(), note: options.note })
        answer(options, { eventId: id, status: 'RESOLVED' }, () => print(`Event ${id} is resolved.`))
      })
    })
}
