import type { PulseNow } from '../pulse.js'
import { amountText } from './amount.js'
import { Link } from './link.js'
import { timeText } from './time.js'

/** Whether money flows, at a glance; /ops/live.js reads it anew every few seconds where scripts run. */
export function Pulse({ pulse }: { pulse: PulseNow }) {
  const { at, minutes, checkouts, sessions, payments, refusals, events, due, oldestDueSeconds, today } = pulse
  const counters: [name: string, value: string | number][] = [
    ['Checkouts', checkouts],
    ['Sessions', sessions],
    ['Payments', payments],
    ['Refused', refusals],
    ['Events', events],
    ['Waiting for a job', due],
    ['Oldest of them', `${oldestDueSeconds} s`]
  ]
  return (
    <section id="pulse" aria-labelledby="pulse-title">
      <h2 id="pulse-title">The last {minutes} minutes</h2>
      <dl class="counters">
        {counters.map(([name, value]) => (
          <div key={name}>
            <dt>{name}</dt>
            <dd>{value}</dd>
          </div>
        ))}
      </dl>
      <p>
        Today:{' '}
        {today.length === 0
          ? 'no money yet'
          : today
              .map(
                each =>
                  `${amountText(each.captured, each.currency)} taken in ${each.payments} ${each.payments === 1 ? 'payment' : 'payments'}`
              )
              .join(', ')}
        . <Link to="/ops/money">Money by day</Link>
      </p>
      <p class="hint">
        As of <time dateTime={at.toISOString()}>{timeText(at)}</time>. <Link to="/ops">Read again</Link>
      </p>
    </section>
  )
}
