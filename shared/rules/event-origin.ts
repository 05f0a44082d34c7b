/** What of an event's envelope says where it comes from. https://docs.stripe.com/api/events/object */
export interface EventOrigin {
  object?: unknown
  account?: unknown
}

/**
 * Why an event cannot be of this shop, whatever its object is; undefined when its object decides. The `context` of an
 * organization's destination says nothing of that: it can be this very account.
 * https://docs.stripe.com/connect/webhooks, https://docs.stripe.com/event-destinations#thin-events
 */
export function elsewhere({ object, account }: EventOrigin): string | undefined {
  if (object === 'v2.core.event') {
    return 'a thin event: only snapshots are read. If it is for this shop, set its destination to the payload style "snapshot"'
  }
  if (account === undefined || account === null) return undefined
  return 'of a connected account: this shop takes payments on its own account'
}
