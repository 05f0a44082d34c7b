/** Of the ids that guests get from us. No sign-in's id begins so: one that does names nobody. */
export const GUEST_PREFIX = 'tillworks-guest:'

export function isGuest(userId: string): boolean {
  return userId.startsWith(GUEST_PREFIX)
}
