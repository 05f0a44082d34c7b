import { minor, toDecimalString } from '../money.js'
import type { CurrencyMoney } from '../statements/report-figures.js'
import type { Report } from './report.js'

/** A table of a report, as text and as HTML show it; the first row has the names of the columns. */
export interface Section {
  title: string
  rows: string[][]
  /** What to say beside or instead of the table. */
  note?: string
}

/** "Daily report, 2026-11-28 (Europe/Berlin)" */
export function titleOf({ kind, timeZone, currency, period }: Report): string {
  const first = dayIn(timeZone, period.since)
  const last = dayIn(timeZone, new Date(period.until.getTime() - 1))
  const name = kind === 'range' ? 'Report' : `${kind.charAt(0).toUpperCase()}${kind.slice(1)} report`
  const days = first === last ? first : `${first} to ${last}`
  return `${name}, ${days} (${timeZone})${currency === null ? '' : `, ${currency} alone`}`
}

/** All that a report says, in the order in which it is read: money first, then what to do. */
export function sectionsOf(report: Report): Section[] {
  return [
    money(report),
    ledger(report),
    checkouts(report),
    counted(
      'Declined payments',
      'Stripe’s code',
      report.period.declines,
      report.before.declines,
      'No card was declined.'
    ),
    counted(
      'Refused before Stripe was asked',
      'In the audit trail',
      report.period.refusals,
      report.before.refusals,
      'Nothing was refused.'
    ),
    fraud(report),
    deliveries(report),
    alerts(report),
    attention(report)
  ]
}

/** Beside what a report of one currency cannot divide. */
const OF_ALL = 'Of all currencies.'
const SHARE = new Intl.NumberFormat('en', { style: 'percent', maximumFractionDigits: 1 })

function money({ period, before }: Report): Section {
  const earlier = (currency: string) => before.money.find(each => each.currency === currency)
  const row = (label: string, { currency, ...of }: CurrencyMoney) => [
    label,
    String(of.payments),
    ...[of.captured, of.refunded, of.disputed, of.fees, of.net].map(amount => toDecimalString(minor(amount), currency))
  ]
  const rows = period.money.flatMap(of => {
    const then = earlier(of.currency)
    return [row(of.currency, of), ...(then === undefined ? [] : [row(`${of.currency}, period before`, then)])]
  })
  return {
    title: 'Money, as the ledger has booked it',
    rows: [['Currency', 'Payments', 'Taken', 'Refunded', 'Disputes', 'Fees', 'Net'], ...rows],
    note: rows.length === 0 ? 'Nothing was booked.' : undefined
  }
}

function ledger({ ledgerDifferences }: Report): Section {
  return {
    title: 'Revenue against the ledger',
    rows: [
      ['Order', 'Payments took', 'Ledger has', 'Currency'],
      ...ledgerDifferences.map(({ orderId, captured, booked, currency }) => [
        orderId,
        toDecimalString(minor(captured), currency),
        toDecimalString(minor(booked), currency),
        currency
      ])
    ],
    note:
      ledgerDifferences.length === 0
        ? 'The ledger has what the payments took. `ops ledger verify` compares it with Stripe.'
        : 'Look at each: ops ledger show ORDER'
  }
}

function checkouts({ period, before }: Report): Section {
  const shareOf = ({ customers, customersWhoPaid }: typeof period.checkouts) =>
    customers === 0 ? '–' : SHARE.format(customersWhoPaid / customers)
  const names = [...new Set([period, before].flatMap(each => Object.keys(each.checkouts.byStatus)))].sort()
  return {
    title: 'Checkouts, by what has become of them',
    rows: [
      ['', 'This period', 'Before'],
      ...names.map(name => [name, ...[period, before].map(each => String(each.checkouts.byStatus[name] ?? 0))]),
      ['Customers', String(period.checkouts.customers), String(before.checkouts.customers)],
      ['Customers who paid', shareOf(period.checkouts), shareOf(before.checkouts)]
    ]
  }
}

type Names = { name: string; count: number }[]

function counted(title: string, column: string, now: Names, before: Names, none: string): Section {
  const earlier = new Map(before.map(({ name, count }) => [name, count]))
  return {
    title,
    rows: [
      [column, 'This period', 'Before'],
      ...now.map(({ name, count }) => [name, String(count), String(earlier.get(name) ?? 0)])
    ],
    note: now.length === 0 ? none : undefined
  }
}

function fraud({ period, before }: Report): Section {
  const row = (label: string, of: (each: typeof period.fraud) => number) => [
    label,
    String(of(period.fraud)),
    String(of(before.fraud))
  ]
  return {
    title: 'Fraud rules and what came of them',
    rows: [
      ['', 'This period', 'Before'],
      row('Sent through 3-D Secure', of => of.challenged),
      row('… of these paid', of => of.challengedPaid),
      row('Blocked', of => of.blocked),
      row('Early fraud warnings', of => of.earlyWarnings),
      row('Reviews by Radar', of => of.reviews),
      row('Disputes opened', of => of.disputes)
    ]
  }
}

function deliveries({ period, before, currency }: Report): Section {
  const seconds = (value: number | null) => (value === null ? '–' : `${value.toFixed(1)} s`)
  const both = (label: string, of: (each: typeof period) => string) => [label, of(period), of(before)]
  return {
    title: 'Deliveries',
    note: currency === null ? undefined : OF_ALL,
    rows: [
      ['', 'This period', 'Before'],
      both('Events received', ({ deliveries: of }) => String(of.received)),
      both('Events applied', ({ deliveries: of }) =>
        of.received === 0 ? '–' : SHARE.format(of.applied / of.received)
      ),
      both('Dead events', ({ deliveries: of }) => String(of.dead)),
      both('Events that wait', ({ deliveries: of }) => String(of.waiting)),
      both('Created to applied, median', ({ deliveries: of }) => seconds(of.medianSeconds)),
      both('Created to applied, 99 %', ({ deliveries: of }) => seconds(of.p99Seconds)),
      both('Notifications delivered', ({ notifications: of }) => String(of.delivered)),
      both('Notifications failed', ({ notifications: of }) => String(of.failed)),
      both('Notifications that wait', ({ notifications: of }) => String(of.waiting))
    ]
  }
}

function alerts({ period, currency }: Report): Section {
  return {
    title: 'Alerts raised',
    rows: [
      ['Alert', 'Raised', 'Still open'],
      ...period.alerts.map(each => [each.name, String(each.count), String(each.open)])
    ],
    note: period.alerts.length === 0 ? 'None.' : currency === null ? undefined : OF_ALL
  }
}

function attention({ now }: Report): Section {
  return {
    title: 'Now',
    rows: [
      ['What waits', 'Rows'],
      ...Object.entries(now.rows).map(([what, count]) => [what, String(count)]),
      ['expired keys to clean', String(now.expiredKeys)],
      ...now.lowStock.map(({ name, left }) => [left === 0 ? `sold out: ${name}` : `low stock: ${name}`, String(left)])
    ]
  }
}

/** YYYY-MM-DD on the clocks of a time zone. */
export function dayIn(timeZone: string, at: Date): string {
  return at.toLocaleDateString('sv', { timeZone })
}
