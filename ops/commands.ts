import { attention, resolveAlert } from './alerts.js'
import { showCheckout } from './checkout.js'
import { events } from './events.js'
import { showOrder } from './order.js'
import { print, printTable } from './print.js'
import { token } from './token.js'

export interface Command {
  usage: string
  what: string
  run(args: string[]): Promise<void> | void
}

/** Everything that `npm run ops -- NAME` can do. */
export const commands: Record<string, Command | undefined> = {
  token: { usage: 'token --user-id U --email E [--hours 24]', what: 'print a session token for local use', run: token },
  events: {
    usage: 'events list [--status dead] [--limit 20] | show ID | replay ID',
    what: 'look at stored webhook events, and apply a dead one again',
    run: events
  },
  checkout: { usage: 'checkout show ID', what: 'a checkout with its audit trail', run: showCheckout },
  order: { usage: 'order show ID', what: 'an order with lines, checkouts, payments and audit trail', run: showOrder },
  attention: { usage: 'attention', what: 'the alerts that nobody has resolved', run: attention },
  resolve: { usage: 'resolve ALERT --note "…"', what: 'resolve an alert', run: resolveAlert },
  help: { usage: 'help', what: 'this text', run: help }
}

function help(): void {
  print('Usage: npm run ops -- COMMAND\n')
  printTable(Object.values(commands).map(command => ['', command?.usage ?? '', command?.what ?? '']))
  print('\nIt uses the settings of the environment, and outside production those of a running `npm start`.')
}
