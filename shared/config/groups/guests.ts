import { DAY } from '../../duration.js'
import { type Group, setting, type ValuesOf } from '../setting.js'
import { flag, integer } from '../value-types.js'

export const guests = {
  title: 'Guests',
  settings: {
    enabled: setting('GUEST_CHECKOUT', flag, {
      default: 'false',
      doc: '`true`: whoever is not signed in can buy, by `POST /api/guest`. Its sessions are signed by a key derived from `AUTH_SECRET`'
    }),
    sessionDays: setting('GUEST_SESSION_DAYS', integer(1, 365), {
      default: '30',
      doc: 'how long a guest can see what it has ordered, from its last `POST /api/guest`'
    }),
    sessionsPerIp: setting('GUEST_SESSIONS_PER_IP', integer(0, 1_000_000), {
      default: '60',
      doc: 'guest sessions that an IP address can begin in an hour, over all processes; 0 for no limit'
    }),
    guestsPerIp: setting('GUESTS_PER_IP', integer(1, 10_000), {
      default: '5',
      doc: 'guests are limited by IP address, too: all those of one together to as much as so many customers, of `RATE_LIMIT_PER_USER`, `FRAUD_*` and `RESERVATION_MAX_OPEN`'
    })
  }
} satisfies Group

export function readGuests({ sessionDays, ...values }: ValuesOf<typeof guests>) {
  return { ...values, sessionMs: sessionDays * DAY }
}
