import type { ComponentChildren } from 'preact'
import type { Story } from '../../../shared/orders/story.js'
import { lineName, linesOf } from '../../../shared/rules/order-item.js'
import { amountText } from './amount.js'
import { type Frame, Layout } from './layout.js'
import { Link } from './link.js'
import { Status } from './status.js'
import { StripeLink } from './stripe-link.js'
import { Table } from './table.js'
import { Time } from './time.js'
import { Timeline } from './timeline.js'

/** One order: what it is, what can be done, and all that happened to it. */
export function OrderPage({ frame, story }: { frame: Frame; story: Story }) {
  const { id, currency } = story
  const { livemode } = frame
  const contact = story.contact as { email?: string | null; name?: string | null } | null
  const search = `/ops/search?q=${encodeURIComponent(story.userId)}`
  return (
    <Layout title={`Order ${id}`} frame={frame}>
      <h1>
        Order <span class="id">{id}</span> <Status of={story.status} />
      </h1>
      <dl>
        <dt>Total</dt>
        <dd>
          {amountText(story.total, currency)} ({amountText(story.captured, currency)} captured,{' '}
          {amountText(story.refunded, currency)} refunded)
        </dd>
        <dt>Customer</dt>
        <dd>
          <Link to={search}>{story.userId}</Link> {contact?.name ?? ''} {story.email ?? contact?.email ?? ''}
        </dd>
        <dt>Made</dt>
        <dd>
          <Time at={story.createdAt} />
        </dd>
      </dl>
      {frame.mayAct ? <Acts story={story} /> : null}
      <Reviews story={story} />
      <Table
        caption="Lines"
        numeric={[1, 2]}
        heads={['Product', 'Quantity', 'Price']}
        rows={story.items
          .flatMap(linesOf)
          .map(line => [lineName(line), line.quantity, amountText(line.unitPrice, currency)])}
      />
      <Table
        caption="Payments"
        numeric={[2, 3]}
        heads={['Payment', 'Status', 'Amount', 'Captured', 'Charge']}
        rows={story.payments.map(each => [
          <StripeLink key="p" id={each.paymentIntentId} livemode={livemode} />,
          <Status key="s" of={each.status} />,
          amountText(each.amount, each.currency),
          amountText(each.captured, each.currency),
          <StripeLink key="c" id={each.chargeId} livemode={livemode} />
        ])}
      />
      <Table
        caption="Refunds"
        numeric={[2]}
        heads={['Refund', 'Status', 'Amount', 'Asked for by', 'Why', 'What went wrong']}
        rows={story.refunds.map(each => [
          each.stripeId === null ? each.id : <StripeLink key="r" id={each.stripeId} livemode={livemode} />,
          <Status key="s" of={each.status} />,
          amountText(each.amount, each.currency),
          each.requestedBy ?? 'Stripe',
          each.reason ?? '–',
          each.failureReason ?? '–'
        ])}
      />
      <Table
        caption="Disputes"
        numeric={[2]}
        heads={['Dispute', 'Status', 'Amount', 'Reason', 'Evidence due']}
        rows={story.disputes.map(each => [
          <StripeLink key="d" id={each.id} livemode={livemode} />,
          <Status key="s" of={each.status} />,
          amountText(each.amount, each.currency),
          each.reason,
          each.evidenceDueBy === null ? '–' : <Time key="t" at={each.evidenceDueBy} />
        ])}
      />
      <Table
        caption="Checkouts"
        numeric={[3]}
        heads={['Checkout', 'Status', 'Session', 'Amount', 'Made', 'Do']}
        rows={story.checkouts.map(each => [
          <span key="i" class="id">
            {each.id}
          </span>,
          <Status key="s" of={each.status} />,
          <StripeLink key="c" id={each.sessionId} livemode={livemode} />,
          amountText(each.amount, each.currency),
          <Time key="t" at={each.createdAt} />,
          frame.mayAct && ['VERIFIED', 'OPEN', 'PROCESSING'].includes(each.status) ? (
            <Button key="e" path={`/ops/checkouts/${each.id}/expire`}>
              Expire
            </Button>
          ) : null
        ])}
      />
      <Table
        caption="What the shop was told"
        heads={['Number', 'Type', 'Status', 'Tries', 'Error', 'Do']}
        rows={story.notifications.map(each => [
          each.sequence,
          each.type,
          <Status key="s" of={each.status} />,
          each.attempts,
          each.error ?? '–',
          frame.mayAct && each.status !== 'PENDING' ? (
            <Button key="n" path={`/ops/notifications/${each.id}/replay`}>
              Send again
            </Button>
          ) : null
        ])}
      />
      <h2>What happened</h2>
      <Timeline story={story} livemode={livemode} />
    </Layout>
  )
}

function Button({ path, children }: { path: string; children: ComponentChildren }) {
  return (
    <Link class="button" to={path}>
      {children}
    </Link>
  )
}

/** What can be done to it as it is; what cannot be done after all is refused with the reason. */
function Acts({ story: { id, status, payments, captured, refunded, userId } }: { story: Story }) {
  const isHeld = payments.some(each => each.status === 'AUTHORIZED')
  const acts: [name: string, path: string, offered: boolean][] = [
    ['Refund', 'refund', captured > refunded],
    ['Capture', 'capture', isHeld],
    ['Cancel', 'cancel', isHeld || status === 'PENDING'],
    ['Accept', 'accept', status === 'NEEDS_REVIEW'],
    ['Reconcile', 'reconcile', true]
  ]
  return (
    <p class="acts">
      {acts
        .filter(([, , offered]) => offered)
        .map(([name, path]) => (
          <Button key={path} path={`/ops/orders/${id}/${path}`}>
            {name}
          </Button>
        ))}
      <Button path={`/ops/fraud/clearances?userId=${encodeURIComponent(userId)}`}>Unblock customer</Button>
    </p>
  )
}

function Reviews({ story: { payments } }: { story: Story }) {
  const open = payments.filter(each => each.reviewReason !== null && each.acceptedAt === null)
  return (
    <>
      {open.map(each => (
        <p key={each.paymentIntentId} class="warning">
          {each.paymentIntentId} is in review: {each.reviewReason}. Suggested: {each.reviewAction}.
        </p>
      ))}
    </>
  )
}
