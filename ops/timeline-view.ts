import type { Moment } from '../shared/orders/timeline.js'
import { amountText } from './amount.js'
import { localClock, localDay, offset } from './local-time.js'
import { printTable } from './table.js'

/** One line a moment, below its day. */
export function viewTimeline(moments: Moment[]): void {
  const dayOf = ({ at }: Moment) => `${localDay(at)} (${offset(at)})`
  const lines = moments.map((moment, index) => {
    const before = moments[index - 1]
    const isNewDay = before === undefined || dayOf(before) !== dayOf(moment)
    return [...(isNewDay ? [[dayOf(moment)]] : []), row(moment)]
  })
  printTable([['WHEN', 'FROM', 'WHAT', 'BECAME', 'AMOUNT', 'BY AND WHY'], ...lines.flat()], ['AMOUNT'])
}

function row(moment: Moment): string[] {
  const { at, kind, what, amount, currency } = moment
  return [
    `  ${localClock(at)}`,
    kind,
    what,
    became(moment),
    amount === null ? '' : currency === null ? String(amount) : amountText(amount, currency),
    aside(moment)
  ]
}

/** PAID → REFUNDED, or what it is. */
function became({ before, after, status }: Moment): string {
  return after === null ? (status ?? '') : `${before ?? ''} → ${after}`.trim()
}

function aside({ by, why, error, found }: Moment): string {
  const reason = [by, why].filter(text => text !== null).join(': ')
  return [reason, error ?? '', ...found].filter(text => text !== '').join('; ')
}
