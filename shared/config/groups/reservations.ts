import { type Group, setting } from '../setting.js'
import { integer } from '../value-types.js'

export const reservations = {
  title: 'Reservations',
  settings: {
    maxOpen: setting('RESERVATION_MAX_OPEN', integer(1, 1_000), { default: '5', doc: 'open checkouts of a customer' }),
    minMinutes: setting('RESERVATION_MIN_MINUTES', integer(0, 1_440), {
      default: '20',
      doc: 'how old an open checkout has to be before it ends for somebody who wants its goods; 0: never'
    })
  }
} satisfies Group
