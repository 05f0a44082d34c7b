import type { GroupName } from '../shared/config/config.js'
import { groups, settingsOf } from '../shared/config/groups.js'
import type { Setting } from '../shared/config/setting.js'

/** Acts on payments: asks Stripe, applies what it answers as an event, and enqueues what follows. */
const ACTING = ['queue', 'stripe', 'proxies', 'payment', 'catalogue', 'notifications', 'fraud'] as const
const CATALOGUE = ['catalogue', 'payment'] as const

/** The groups of settings that each command asks for, beside those of the database. */
export const needs = {
  attention: [],
  'order show': [],
  'order refund': ['queue', 'catalogue'],
  'order capture': ACTING,
  'order cancel': ACTING,
  'order accept': ACTING,
  'checkout show': [],
  'checkout expire': ACTING,
  'events list': [],
  'events show': [],
  'events replay': ['queue'],
  'events resolve': [],
  'notifications list': [],
  'notifications replay': ['queue'],
  'fraud show': ['fraud', 'guests'],
  'fraud unblock': [],
  'report daily': ['catalogue'],
  'report weekly': ['catalogue'],
  'report monthly': ['catalogue'],
  'report range': ['catalogue'],
  resolve: [],
  reconcile: [...ACTING, 'schedules'],
  'ledger show': [],
  'ledger verify': ['stripe', 'proxies'],
  'ledger correct': [],
  'audit verify': ['audit', 'auth'],
  'audit order': [],
  'audit user': [],
  'audit suspicious': [],
  'audit export': [],
  'privacy erase': [],
  'customer export': [],
  'product list': [],
  'product show': [],
  'product set': CATALOGUE,
  'product stock': CATALOGUE,
  'product deactivate': CATALOGUE,
  'product import': CATALOGUE,
  'product import --from stripe': [...CATALOGUE, 'stripe', 'proxies'],
  'product export': [],
  'maintenance on': [],
  'maintenance off': [],
  'maintenance status': [],
  drain: [],
  shop: []
} as const satisfies Record<string, readonly GroupName[]>

export type CommandName = keyof typeof needs
/** The groups that a command reads. */
export type PartOf<Name extends CommandName> = (typeof needs)[Name][number] | 'database'
/** The commands that ask for the settings of a group. */
export type CommandsWith<Group extends GroupName> = {
  [Name in CommandName]: Group extends PartOf<Name> ? Name : never
}[CommandName]

const { stripe, payment, auth } = groups
/** Of these groups, what the ingress and the workers alone use. */
const OF_SERVERS: readonly Setting[] = [
  stripe.settings.webhookSecrets,
  stripe.settings.publishableKey,
  payment.settings.successUrl,
  payment.settings.cancelUrl,
  ...settingsOf(auth).filter(each => each !== auth.settings.secrets)
]

export const commandNames = Object.keys(needs) as CommandName[]

export function needsQueue(name: CommandName): boolean {
  const groups: readonly GroupName[] = needs[name]
  return groups.includes('queue')
}

/** The settings that a command asks for, and no other. */
export function settingsFor(name: CommandName): Setting[] {
  return ['database' as const, ...needs[name]]
    .flatMap(group => settingsOf(groups[group]))
    .filter(each => !OF_SERVERS.includes(each))
}
