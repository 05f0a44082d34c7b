import { Router } from 'express'
import { DAY } from '../../../shared/duration.js'
import type { Services } from '../../../shared/runtime/services.js'
import { type DayMoney, readDayMoney } from '../../../shared/statements/day-money.js'
import { amountText } from './amount.js'
import { frameOf, sendPage } from './answer.js'
import { type Frame, Layout } from './layout.js'
import { Table } from './table.js'

const DAYS = 14

/** What the ledger has booked, by day and currency. */
export function moneyPages(services: Services): Router {
  const router = Router()
  router.get('/ops/money', async (request, response) => {
    const today = dayOf(services.now())
    const days = Array.from({ length: DAYS }, (_, back) => dayOf(new Date(Date.parse(today) - (DAYS - 1 - back) * DAY)))
    const rows = await services.db.late.read(pool => readDayMoney(pool, new Date(days[0] ?? today)))
    sendPage(response, <MoneyPage frame={frameOf(request, response, services)} days={days} rows={rows} />)
  })
  return router
}

function dayOf(at: Date): string {
  return at.toISOString().slice(0, 10)
}

function MoneyPage({ frame, days, rows }: { frame: Frame; days: string[]; rows: DayMoney[] }) {
  const currencies = [...new Set(rows.map(({ currency }) => currency))]
  const today = days.at(-1) ?? ''
  return (
    <Layout title="Money" frame={frame}>
      <h1>Money, {DAYS} days</h1>
      {currencies.length === 0 ? <p>Nothing was booked.</p> : null}
      {currencies.map(currency => {
        const ofCurrency = rows.filter(row => row.currency === currency)
        const now = ofCurrency.find(({ day }) => day === today)
        return (
          <section key={currency}>
            <h2>{currency}</h2>
            <p>
              Today {amountText(now?.captured ?? 0, currency)} taken ({now?.payments ?? 0} payments), refunds{' '}
              {amountText(now?.refunded ?? 0, currency)}, fees {amountText(now?.fees ?? 0, currency)}.
            </p>
            <Bars days={days} rows={ofCurrency} currency={currency} />
            <Table
              caption={`${currency} by day (UTC)`}
              numeric={[1, 2, 3, 4, 5]}
              heads={['Day', 'Payments', 'Taken', 'Refunded', 'Disputes', 'Fees']}
              rows={ofCurrency
                .toReversed()
                .map(row => [
                  row.day,
                  row.payments,
                  amountText(row.captured, currency),
                  amountText(row.refunded, currency),
                  amountText(row.disputed, currency),
                  amountText(row.fees, currency)
                ])}
            />
          </section>
        )
      })}
    </Layout>
  )
}

const WIDTH = 24
const HEIGHT = 80

/** What was taken each day; the table beside it says the same. */
function Bars({ days, rows, currency }: { days: string[]; rows: DayMoney[]; currency: string }) {
  const taken = new Map(rows.map(({ day, captured }) => [day, captured]))
  const most = Math.max(1, ...taken.values())
  return (
    <svg
      class="bars"
      preserveAspectRatio="xMinYMax"
      viewBox={`0 0 ${days.length * WIDTH} ${HEIGHT}`}
      role="img"
      aria-label={`${currency} taken by day`}
    >
      {days.map((day, index) => {
        const amount = taken.get(day) ?? 0
        const height = Math.max(1, Math.round((Math.max(0, amount) / most) * HEIGHT))
        return (
          <rect key={day} x={index * WIDTH + 2} y={HEIGHT - height} width={WIDTH - 4} height={height}>
            <title>{`${day}: ${amountText(amount, currency)}`}</title>
          </rect>
        )
      })}
    </svg>
  )
}
