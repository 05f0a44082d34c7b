import { attention, resolve } from './alerts.js'
import { audit } from './audit.js'
import { checkout } from './checkout.js'
import { doctor } from './doctor.js'
import { events } from './events.js'
import { fraud } from './fraud.js'
import { ledger } from './ledger.js'
import { drain, maintenance } from './maintenance.js'
import { notifications } from './notifications.js'
import { order } from './order.js'
import { print } from './print.js'
import { privacy } from './privacy.js'
import { product } from './product.js'
import { reconcile } from './reconcile.js'
import { shop } from './shop.js'
import { token } from './token.js'

export interface Command {
  usage: string
  what: string
  run(args: string[]): Promise<void> | void
}

/** Everything that `npm run ops -- NAME` can do. */
export const commands: Record<string, Command | undefined> = {
  doctor: {
    usage: 'doctor [--json] [--webhook-url https://pay.shop.example/api/stripe/webhook]',
    what: 'before going live: look at the settings, the stores, Stripe, the clocks, the shop; exit code 1: something must be mended',
    run: doctor
  },
  token: {
    usage: 'token --user-id U [--email E] [--hours 24]',
    what: 'print a session token for local use',
    run: token
  },
  events: {
    usage: 'events list [--status dead] [--limit 20] | show ID | replay ID [--note "…"] | resolve ID --note "…"',
    what: 'look at stored webhook events; apply a dead one again, or say how it was dealt with',
    run: events
  },
  checkout: { usage: 'checkout show ID', what: 'a checkout with its audit trail', run: checkout },
  'checkout expire': {
    usage: 'checkout expire ID --reason "…" [--unknown-to-stripe]',
    what: 'end an open checkout at Stripe and give its stock back; or say that Stripe does not know its Session any more, also when it was submitted',
    run: args => checkout(['expire', ...args])
  },
  order: {
    usage: 'order show ID',
    what: 'an order with lines, checkouts, payments, refunds, disputes, ledger, notifications and audit trail',
    run: order
  },
  'order refund': {
    usage: 'order refund ID [--amount 5.00] [--reason "…"] [--restock all|PRODUCT=2,…] [--payment pi_…] [--key K]',
    what: 'pay back all or a part of what was captured; the same --key is the same refund',
    run: args => order(['refund', ...args])
  },
  'order capture': {
    usage: 'order capture ID [--amount 5.00] [--payment pi_…] [--reason "…"]',
    what: 'charge what was authorized (PAYMENT_CAPTURE_METHOD=manual)',
    run: args => order(['capture', ...args])
  },
  'order cancel': {
    usage: 'order cancel ID [--payment pi_…] [--reason "…"]',
    what: 'end an unpaid order: its Session expires, its authorization is given back',
    run: args => order(['cancel', ...args])
  },
  'order accept': {
    usage: 'order accept ID [--payment pi_…] [--note "…"]',
    what: 'let a payment in review count for its order',
    run: args => order(['accept', ...args])
  },
  product: {
    usage: 'product list [--search TEXT] [--inactive] [--limit 50] [--after ID] | show ID',
    what: 'the catalogue; a product with every change of it. ID is an id or a slug',
    run: product
  },
  'product set': {
    usage: 'product set ID COLUMN=VALUE… [--reason "…"]',
    what: 'change a product, by the columns of a file: price=21.00 price_CHF=19.50 name="Mug" active=true',
    run: args => product(['set', ...args])
  },
  'product stock': {
    usage: 'product stock ID --set 40 | --add -2 [--reason "…"]',
    what: 'what stands on the shelf, reserved or not; never below what open checkouts have reserved',
    run: args => product(['stock', ...args])
  },
  'product deactivate': {
    usage: 'product deactivate ID… [--reason "…"]',
    what: 'sell it no more; orders and open checkouts keep it',
    run: args => product(['deactivate', ...args])
  },
  'product import': {
    usage:
      'product import FILE|- [--format csv|jsonl] [--dry-run] [--deactivate-missing] [--reason "…"] | --from stripe [--dry-run]',
    what: 'bring the catalogue to what a file (or the Stripe account) says, all of it or nothing (docs/catalogue.md)',
    run: args => product(['import', ...args])
  },
  'product export': {
    usage: 'product export [FILE] [--format csv|jsonl]',
    what: 'all products in a file that import takes back',
    run: args => product(['export', ...args])
  },
  ledger: {
    usage: 'ledger show ORDER | verify [--since DATE] [--until DATE]',
    what: 'what is booked for an order; compare the ledger with Stripe’s balance transactions',
    run: ledger
  },
  'ledger correct': {
    usage:
      'ledger correct ORDER --debit ACCOUNT --credit ACCOUNT --amount 5.00 --reason "…" [--currency EUR] [--of ENTRY [--missing]] [--key K]',
    what: 'post a balanced entry beside a wrong or missing one; the same --key is the same correction',
    run: args => ledger(['correct', ...args])
  },
  reconcile: {
    usage: 'reconcile [--since DATE] | --objects --since DATE [--from DATE]',
    what: 'find what no webhook has told, and repair it; with --objects, after a restore of a backup of that time',
    run: reconcile
  },
  notifications: {
    usage: 'notifications list [--status failed] [--order ID] [--limit 20] | replay ID [--note "…"]',
    what: 'what the shop was told, and tell it again',
    run: notifications
  },
  audit: {
    usage:
      'audit verify [--resume] | order ID | user ID [--days 30] | suspicious [--minutes 10] | export [--format csv] [--since DATE]',
    what: 'the audit trail: whether it is sound, whose it is, all of it',
    run: audit
  },
  privacy: {
    usage: 'privacy erase --user U --reason "…"',
    what: 'forget a user’s e-mail, addresses and event payloads; the financial record stays',
    run: privacy
  },
  fraud: {
    usage: 'fraud show --user U [--ip A] | unblock --user U [--ip A] --note "…"',
    what: 'what the fraud rules see of a customer or an address, and let them count from zero',
    run: fraud
  },
  shop: {
    usage: 'shop [--name NAME [--copy]]',
    what: 'what this installation is called at Stripe; another name, with --copy for a database that was copied from a shop which goes on',
    run: shop
  },
  maintenance: {
    usage: 'maintenance on --message "…" [--until DATE] | off | status',
    what: 'refuse new checkouts on every process; webhooks and workers go on',
    run: maintenance
  },
  drain: { usage: 'drain [--timeout 60]', what: 'wait until nothing is under way, before a deploy', run: drain },
  attention: { usage: 'attention', what: 'the alerts that nobody has resolved', run: attention },
  resolve: { usage: 'resolve ALERT --note "…"', what: 'resolve an alert', run: resolve },
  help: { usage: 'help', what: 'this text', run: help }
}

function help(): void {
  print('Usage: npm run ops -- COMMAND\n')
  for (const command of Object.values(commands)) print(`  ${command?.usage}\n      ${command?.what}`)
  print('\nIt uses the settings of the environment, and outside production those of a running `npm start`.')
}
