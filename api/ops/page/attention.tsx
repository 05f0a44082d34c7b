import type { ComponentChildren } from 'preact'
import { type AlertContext, type AlertName, alerts } from '../../../shared/audit/alerts.js'
import { runbooks } from '../../../shared/audit/runbooks.js'
import type { Attention } from '../attention.js'
import type { PulseNow } from '../pulse.js'
import { amountText } from './amount.js'
import { type Frame, Layout } from './layout.js'
import { Link } from './link.js'
import { Pulse } from './pulse.js'
import { RunbookLink } from './runbook-link.js'
import { Table } from './table.js'
import { Time } from './time.js'

/** What needs a person, what is most urgent first. */
export function AttentionPage({ frame, waiting, pulse }: { frame: Frame; waiting: Attention; pulse: PulseNow }) {
  const {
    alerts: open,
    deadEvents,
    failedNotifications,
    ordersInReview,
    authorizations,
    disputes,
    lowStock,
    maintenance
  } = waiting
  const count = open.length + deadEvents.length + failedNotifications.length + ordersInReview.length + disputes.length
  const act = (path: string, name: string, about: string) =>
    frame.mayAct ? (
      <Link class="button" to={path} aria-label={`${name} ${about}`}>
        {name}
      </Link>
    ) : null
  return (
    <Layout title="Attention" frame={frame} script="/ops/live.js">
      <h1>
        {count === 0 ? 'Nothing needs attention' : `${count} ${count === 1 ? 'thing needs' : 'things need'} attention`}
      </h1>
      {maintenance?.on === true ? (
        <p class="warning">
          Checkouts are closed: “{maintenance.message}”{maintenance.until === null ? '' : ` until ${maintenance.until}`}
          . {act('/ops/maintenance/off', 'Open checkouts', '')}
        </p>
      ) : null}
      <Pulse pulse={pulse} />
      <Block title="Alerts" count={open.length}>
        <ul class="cards">
          {open.map(alert => (
            <li key={alert.id}>
              <h3>{alert.name.replaceAll('_', ' ')}</h3>
              <p>
                <Time at={alert.createdAt} /> <About context={alert.context as unknown as AlertContext} />
              </p>
              <p class="reason">{(alert.context as unknown as AlertContext).reason}</p>
              <p>
                {alerts[alert.name as AlertName] ?? ''} <RunbookLink of={runbooks[alert.name as AlertName]} />
              </p>
              {act(`/ops/alerts/${alert.id}/resolve`, 'Resolve', `alert ${alert.id}`)}
            </li>
          ))}
        </ul>
      </Block>
      <Block title="Events that could not be applied" runbook="DeadLetters" count={deadEvents.length}>
        <Table
          caption="Dead events, the oldest first"
          heads={['Received', 'Event', 'Type', 'Why', 'Do']}
          rows={deadEvents.map(event => [
            <Time key="t" at={event.receivedAt} />,
            <Link key="i" class="id" to={`/ops/events/${event.id}`}>
              {event.id}
            </Link>,
            event.type,
            event.error,
            act(`/ops/events/${event.id}/replay`, 'Replay', event.id)
          ])}
        />
      </Block>
      <Block title="Notifications that the shop did not take" runbook="DeadLetters" count={failedNotifications.length}>
        <Table
          caption="Failed notifications"
          heads={['Made', 'Order', 'Type', 'Tries', 'Why', 'Do']}
          rows={failedNotifications.map(each => [
            <Time key="t" at={each.createdAt} />,
            <OrderLink key="o" id={each.orderId} />,
            each.type,
            each.attempts,
            each.error,
            act(`/ops/notifications/${each.id}/replay`, 'Send again', each.id)
          ])}
        />
      </Block>
      <Block title="Orders in review" runbook="MoneyInReview" count={ordersInReview.length}>
        <Table
          caption="Orders in review, the oldest first"
          numeric={[1]}
          heads={['Order', 'Total', 'Since', 'Why', 'Suggested']}
          rows={ordersInReview.map(order => [
            <OrderLink key="o" id={order.id} />,
            amountText(order.total, order.currency),
            <Time key="t" at={order.updatedAt} />,
            order.reviewReason,
            order.reviewAction
          ])}
        />
      </Block>
      <Block title="Disputes that wait for evidence" runbook="DisputeDeadline" count={disputes.length}>
        <Table
          caption="Disputes, what is due first"
          numeric={[2]}
          heads={['Due', 'Order', 'Amount', 'Status', 'Reason']}
          rows={disputes.map(each => [
            each.evidenceDueBy === null ? '–' : <Time key="t" at={each.evidenceDueBy} />,
            <OrderLink key="o" id={each.orderId} />,
            amountText(each.amount, each.currency),
            each.status.replaceAll('_', ' '),
            each.reason.replaceAll('_', ' ')
          ])}
        />
      </Block>
      <Block title="Authorizations that are held" runbook="AuthorizationLapses" count={authorizations.length}>
        <Table
          caption="Authorizations, what lapses first"
          numeric={[2]}
          heads={['Lapses', 'Order', 'Amount']}
          rows={authorizations.map(each => [
            <Time key="t" at={each.captureBefore} />,
            <OrderLink key="o" id={each.orderId} />,
            amountText(each.amount, each.currency)
          ])}
        />
      </Block>
      <Block title="Low in stock" count={lowStock.length}>
        <Table
          caption="Products of which little can be bought, and those that are sold out"
          numeric={[1]}
          heads={['Product', 'Left']}
          rows={lowStock.map(product => [
            <Link key="p" to={`/ops/products/${product.id}`}>
              {product.name}
            </Link>,
            product.left === 0 ? 'sold out' : product.left
          ])}
        />
      </Block>
      <section>
        <h2>The shop</h2>
        {maintenance?.on === true ? null : (
          <p>Checkouts are open. {act('/ops/maintenance/on', 'Close checkouts', '')}</p>
        )}
        <p>{act('/ops/fraud/clearances', 'Unblock a customer or an address', '')}</p>
      </section>
    </Layout>
  )
}

interface BlockProps {
  title: string
  count: number
  runbook?: string
  children: ComponentChildren
}

function Block({ title, count, runbook, children }: BlockProps) {
  if (count === 0) return null
  return (
    <section>
      <h2>
        {title} <span class="count">{count}</span>
      </h2>
      {runbook === undefined ? null : (
        <p>
          <RunbookLink of={runbook} />
        </p>
      )}
      {children}
    </section>
  )
}

export function OrderLink({ id }: { id: string }) {
  return (
    <Link class="id" to={`/ops/orders/${id}`}>
      {id}
    </Link>
  )
}

/** What an alert is about, each a way to it. */
function About({ context: { orderId, eventId, checkoutId, userId } }: { context: AlertContext }) {
  const search = (id: string) => `/ops/search?q=${encodeURIComponent(id)}`
  return (
    <span>
      {orderId ? (
        <span>
          order <OrderLink id={orderId} />{' '}
        </span>
      ) : null}
      {eventId ? (
        <span>
          event{' '}
          <Link class="id" to={`/ops/events/${eventId}`}>
            {eventId}
          </Link>{' '}
        </span>
      ) : null}
      {!orderId && checkoutId ? (
        <span>
          checkout{' '}
          <Link class="id" to={search(checkoutId)}>
            {checkoutId}
          </Link>{' '}
        </span>
      ) : null}
      {userId ? (
        <span>
          customer{' '}
          <Link class="id" to={search(userId)}>
            {userId}
          </Link>
        </span>
      ) : null}
    </span>
  )
}
