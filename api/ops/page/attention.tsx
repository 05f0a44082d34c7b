import type { ComponentChildren } from 'preact'
import { type AlertContext, type AlertName, alerts } from '../../../shared/audit/alerts.js'
import type { Attention } from '../attention.js'
import { amountText } from './amount.js'
import { type Frame, Layout } from './layout.js'
import { Table } from './table.js'
import { Time } from './time.js'

/** What needs a person, what is most urgent first. */
export function AttentionPage({ frame, waiting }: { frame: Frame; waiting: Attention }) {
  const {
    alerts: open,
    deadEvents,
    failedNotifications,
    ordersInReview,
    authorizations,
    disputes,
    maintenance
  } = waiting
  const count = open.length + deadEvents.length + failedNotifications.length + ordersInReview.length + disputes.length
  const act = (path: string, name: string, about: string) =>
    frame.mayAct ? (
      <a class="button" href={path} aria-label={`${name} ${about}`}>
        {name}
      </a>
    ) : null
  return (
    <Layout title="Attention" frame={frame}>
      <h1>
        {count === 0 ? 'Nothing needs attention' : `${count} ${count === 1 ? 'thing needs' : 'things need'} attention`}
      </h1>
      {maintenance?.on === true ? (
        <p class="warning">
          Checkouts are closed: “{maintenance.message}”{maintenance.until === null ? '' : ` until ${maintenance.until}`}
          . {act('/ops/maintenance/off', 'Open checkouts', '')}
        </p>
      ) : null}
      <Block title="Alerts" count={open.length}>
        <ul class="cards">
          {open.map(alert => (
            <li key={alert.id}>
              <h3>{alert.name.replaceAll('_', ' ')}</h3>
              <p>
                <Time at={alert.createdAt} /> <About context={alert.context as unknown as AlertContext} />
              </p>
              <p class="reason">{(alert.context as unknown as AlertContext).reason}</p>
              <p>{alerts[alert.name as AlertName] ?? ''}</p>
              {act(`/ops/alerts/${alert.id}/resolve`, 'Resolve', `alert ${alert.id}`)}
            </li>
          ))}
        </ul>
      </Block>
      <Block title="Events that could not be applied" count={deadEvents.length}>
        <Table
          caption="Dead events, the oldest first"
          heads={['Received', 'Event', 'Type', 'Why', 'Do']}
          rows={deadEvents.map(event => [
            <Time key="t" at={event.receivedAt} />,
            <a key="i" class="id" href={`/ops/events/${event.id}`}>
              {event.id}
            </a>,
            event.type,
            event.error,
            act(`/ops/events/${event.id}/replay`, 'Replay', event.id)
          ])}
        />
      </Block>
      <Block title="Notifications that the shop did not take" count={failedNotifications.length}>
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
      <Block title="Orders in review" count={ordersInReview.length}>
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
      <Block title="Disputes that wait for evidence" count={disputes.length}>
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
      <Block title="Authorizations that are held" count={authorizations.length}>
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

function Block({ title, count, children }: { title: string; count: number; children: ComponentChildren }) {
  if (count === 0) return null
  return (
    <section>
      <h2>
        {title} <span class="count">{count}</span>
      </h2>
      {children}
    </section>
  )
}

export function OrderLink({ id }: { id: string }) {
  return (
    <a class="id" href={`/ops/orders/${id}`}>
      {id}
    </a>
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
          <a class="id" href={`/ops/events/${eventId}`}>
            {eventId}
          </a>{' '}
        </span>
      ) : null}
      {!orderId && checkoutId ? (
        <span>
          checkout{' '}
          <a class="id" href={search(checkoutId)}>
            {checkoutId}
          </a>{' '}
        </span>
      ) : null}
      {userId ? (
        <span>
          customer{' '}
          <a class="id" href={search(userId)}>
            {userId}
          </a>
        </span>
      ) : null}
    </span>
  )
}
