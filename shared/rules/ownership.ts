/** The key in the metadata of what an installation makes at Stripe, under which it says its name. */
export const INSTALLATION = 'installation'

/**
 * Whose an object of Stripe's is, as its metadata says.
 * `named`: it bears a name of this installation and names a checkout.
 * `unnamed`: it names a checkout and no installation, as releases before names did: ours if the checkout is here.
 * `another`: it bears the name of another installation.
 * `silent`: it says nothing that is ours. What we have made says so, unless somebody has changed it at Stripe: only a row of
 * ours can make it ours.
 */
export type Owner =
  | { whose: 'named' | 'unnamed'; checkoutId: string }
  | { whose: 'another'; name: string; checkoutId: string | undefined }
  | { whose: 'silent'; checkoutId: undefined }

type Metadata = Record<string, unknown> | null | undefined

/** `names` are those that this installation has, or has had. */
export function ownerOf(metadata: Metadata, names: readonly string[]): Owner {
  const name = metadata?.[INSTALLATION]
  const isNamed = typeof name === 'string' && name !== ''
  const checkoutId = checkoutIdOf(metadata)
  if (isNamed && !names.includes(name)) return { whose: 'another', name, checkoutId }
  if (checkoutId === undefined) return { whose: 'silent', checkoutId }
  return { whose: isNamed ? 'named' : 'unnamed', checkoutId }
}

/** Metadata can be anybody's, and anything: only what can be an id of ours counts. */
function checkoutIdOf(metadata: Metadata): string | undefined {
  const id = metadata?.checkoutId
  return typeof id === 'string' && /^c[0-9a-z]{24}$/.test(id) ? id : undefined
}
