import type { WebhookEvent } from '../../../prisma/generated/client.js'
import { type Frame, Layout } from './layout.js'
import { Link } from './link.js'
import { Status } from './status.js'
import { StripeLink } from './stripe-link.js'
import { Time } from './time.js'

export function EventPage({ frame, event, orderId }: { frame: Frame; event: WebhookEvent; orderId: string | null }) {
  return (
    <Layout title={`Event ${event.id}`} frame={frame}>
      <h1>
        Event {event.type} <Status of={event.status} />
      </h1>
      <dl>
        <dt>Id</dt>
        <dd>
          <StripeLink id={event.id} livemode={event.livemode} />
        </dd>
        <dt>Received</dt>
        <dd>
          <Time at={event.receivedAt} />
        </dd>
        <dt>Made at Stripe</dt>
        <dd>
          <Time at={event.created} />
        </dd>
        {orderId === null ? null : (
          <>
            <dt>Order</dt>
            <dd>
              <Link class="id" to={`/ops/orders/${orderId}`}>
                {orderId}
              </Link>
            </dd>
          </>
        )}
        {event.error === null ? null : (
          <>
            <dt>Why</dt>
            <dd>{event.error}</dd>
          </>
        )}
        {event.resolvedBy === null ? null : (
          <>
            <dt>Resolved</dt>
            <dd>
              by {event.resolvedBy}: {event.note}
            </dd>
          </>
        )}
      </dl>
      {event.status === 'DEAD' && frame.mayAct ? (
        <p class="acts">
          <Link class="button" to={`/ops/events/${event.id}/replay`}>
            Replay
          </Link>{' '}
          <Link class="button" to={`/ops/events/${event.id}/resolve`}>
            Resolve
          </Link>
        </p>
      ) : null}
      <Payload payload={event.payload} open />
    </Layout>
  )
}

export function Payload({ payload, open }: { payload: unknown; open?: boolean }) {
  const value = typeof payload === 'string' ? JSON.parse(payload) : payload
  return (
    <details open={open}>
      <summary>Payload</summary>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls has to be reached by a keyboard */}
      <pre tabIndex={0}>{JSON.stringify(value, null, 2)}</pre>
    </details>
  )
}
