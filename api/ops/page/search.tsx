import type { FoundOrder } from '../../../shared/statements/search.js'
import { amountText } from './amount.js'
import { OrderLink } from './attention.js'
import { type Frame, Layout } from './layout.js'
import { Link } from './link.js'
import { Status } from './status.js'
import { Table } from './table.js'
import { Time } from './time.js'

interface Props {
  frame: Frame
  query: string
  orders: FoundOrder[]
  event: { id: string; type: string; status: string } | null
}

export function SearchPage({ frame, query, orders, event }: Props) {
  const nothing = orders.length === 0 && event === null
  return (
    <Layout title={`Found for ${query}`} frame={frame} query={query}>
      <h1>{nothing ? 'Nothing found' : `Found for “${query}”`}</h1>
      {nothing ? (
        <p>
          No order, customer, e-mail, checkout, Session, PaymentIntent, charge, refund, dispute, event or notification
          is called “{query}”. Names are compared whole; an e-mail in any case.
        </p>
      ) : null}
      {event === null ? null : (
        <p>
          The event{' '}
          <Link class="id" to={`/ops/events/${event.id}`}>
            {event.id}
          </Link>{' '}
          ({event.type}) is <Status of={event.status} />
        </p>
      )}
      <Table
        caption="Orders, the newest first"
        numeric={[2]}
        heads={['Made', 'Order', 'Total', 'Status', 'Customer', 'E-mail', 'Found by']}
        rows={orders.map(order => [
          <Time key="t" at={order.createdAt} />,
          <OrderLink key="o" id={order.id} />,
          amountText(order.total, order.currency),
          <Status key="s" of={order.status} />,
          order.userId,
          order.email ?? '–',
          order.by.join(', ')
        ])}
      />
    </Layout>
  )
}
