/** RFC 5321, section 4.5.3.1. */
const MAX_LOCAL = 64
const MAX_EMAIL = 254
const LOCAL = /^[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*$/
const DOMAIN = /^([A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.)+([A-Za-z]{2,63}|xn--[A-Za-z0-9-]{1,59})$/

/**
 * An e-mail address as Stripe takes it for `customer_email`, without the white space around it; undefined for one that it may
 * refuse. Stripe publishes no rule. Seen refused as "Invalid email address": white space at an end
 * (https://github.com/stripe/stripe-dotnet/issues/1897) and a domain without a dot, as `ada@gmail`
 * (https://github.com/exercism/website/issues/7154 and 7721). So this is the plain core of RFC 5321: an address that is left
 * out costs the customer a line at Stripe's page, one that is refused the Session.
 */
export function mailableAtStripe(email: string): string | undefined {
  const plain = email.trim()
  const at = plain.lastIndexOf('@')
  const [local, domain] = [plain.slice(0, at), plain.slice(at + 1)]
  if (at < 1 || local.length > MAX_LOCAL || plain.length > MAX_EMAIL) return undefined
  return LOCAL.test(local) && DOMAIN.test(domain) ? plain : undefined
}
