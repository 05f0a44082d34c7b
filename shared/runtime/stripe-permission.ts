/**
 * The permissions that Stripe names in a 403, as its dashboard has them where it says so. It has written both
 * "Having the 'rak_charge_write' permission would allow this request to continue" and
 * "Enabling Checkout Sessions Read ('checkout_session_read') permissions on this key would allow …".
 */
export function permissionsIn(message: string): string {
  return namedPermissions(message) ?? message
}

/** As permissionsIn; undefined where it names none. */
export function namedPermissions(message: string): string | undefined {
  const enabling = /Enabling (.+?) permissions? on this key/.exec(message)?.[1]
  if (enabling !== undefined) return enabling.replaceAll('"', '')
  return /Having the (.+?) permissions? would allow/.exec(message)?.[1]
}
