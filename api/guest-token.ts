import { GUEST_COOKIE, SECURE_GUEST_COOKIE } from '../shared/identity/guests.js'
import { parseCookies } from './session-cookies.js'

/** The guest session of a request's cookies. */
export function findGuestToken(header: string): string | undefined {
  const cookies = parseCookies(header)
  return cookies.get(SECURE_GUEST_COOKIE) ?? cookies.get(GUEST_COOKIE)
}
