import type { Story } from '../../../shared/orders/story.js'
import type { Moment } from '../../../shared/orders/timeline.js'
import { amountText } from './amount.js'
import { Payload } from './event.js'
import { Status } from './status.js'
import { StripeLink } from './stripe-link.js'
import { Time } from './time.js'

const KINDS: Record<Moment['kind'], string> = {
  audit: 'audit',
  event: 'webhook',
  ledger: 'ledger',
  notification: 'shop told',
  signal: 'signal'
}

/** What the trail says succeeded, or is being done, its name tells. */
function isToldByStatus(moment: Moment): moment is Moment & { status: string } {
  return moment.status !== null && (moment.kind !== 'audit' || moment.status === 'FAILED')
}

/** Names of ours in words; Stripe's and the shop's as they are looked for. */
function nameOf({ kind, what }: Moment): string {
  return kind === 'event' || kind === 'notification' ? what : what.replaceAll('_', ' ')
}

/** An event that is done can carry a note, and a notification how many tries it took. */
function isTrouble({ kind, status }: Moment): boolean {
  if (kind === 'event') return status !== 'PROCESSED' && status !== 'IGNORED'
  return kind !== 'notification' || status === 'FAILED'
}

/** All that happened to an order, oldest first. */
export function Timeline({ story, livemode }: { story: Story; livemode: boolean }) {
  const payloads = new Map(story.events.map(event => [event.id, event.payload]))
  return (
    <ol class="timeline">
      {story.timeline.map((moment, index) => (
        <li key={`${moment.kind}-${moment.id}-${index}`} class={moment.kind}>
          <p class="when">
            <Time at={moment.at} /> <span class="kind">{KINDS[moment.kind]}</span>
          </p>
          <p>
            <strong>{nameOf(moment)}</strong>{' '}
            {moment.before === null && moment.after === null ? null : (
              <span>
                {moment.before ?? ''} → {moment.after ?? ''}{' '}
              </span>
            )}
            {moment.amount === null || moment.currency === null ? null : (
              <span class="amount">{amountText(moment.amount, moment.currency)} </span>
            )}
            {isToldByStatus(moment) ? <Status of={moment.status} /> : null}
          </p>
          {moment.by === null && moment.why === null ? null : (
            <p class="who">
              {moment.by === null ? '' : `by ${moment.by}`}
              {moment.why === null ? '' : `${moment.by === null ? '' : ': '}“${moment.why}”`}
            </p>
          )}
          {moment.error === null ? null : <p class={isTrouble(moment) ? 'error' : undefined}>{moment.error}</p>}
          {moment.found.map(each => (
            <p key={each}>{each}</p>
          ))}
          {moment.kind === 'event' ? (
            <>
              <StripeLink id={moment.id} livemode={livemode} />
              <Payload payload={payloads.get(moment.id)} />
            </>
          ) : null}
          {moment.kind === 'ledger' ? <p class="id">{moment.id}</p> : null}
          {moment.kind === 'audit' && moment.requestId !== null ? <p class="id">request {moment.requestId}</p> : null}
        </li>
      ))}
    </ol>
  )
}
