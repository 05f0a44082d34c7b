/** What the dashboard has a page of, by how its id begins; the rest is found by its search. */
const PAGES: [prefix: RegExp, path: string][] = [
  [/^(pi|ch|py)_/, 'payments/'],
  [/^(du|dp)_/, 'disputes/'],
  [/^evt_/, 'events/']
]

export function dashboardUrl(id: string, livemode: boolean): string {
  const path = PAGES.find(([prefix]) => prefix.test(id))?.[1] ?? 'search?query='
  return `https://dashboard.stripe.com/${livemode ? '' : 'test/'}${path}${encodeURIComponent(id)}`
}

/** An id of Stripe's that leads to Stripe's dashboard, test or live. */
export function StripeLink({ id, livemode }: { id: string | null; livemode: boolean }) {
  if (id === null) return <span>–</span>
  return (
    <a class="id" href={dashboardUrl(id, livemode)} rel="noreferrer">
      {id}
    </a>
  )
}
