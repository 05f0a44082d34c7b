/**
 * The claim that `path` names: one of exactly that name, which may be a URL (`https://shop.example/email`), or one within
 * others, with dots between the names (`user_metadata.email`, `emails.0`). The longest name counts first.
 */
export function readClaim(claims: unknown, path: string): unknown {
  if (typeof claims !== 'object' || claims === null) return undefined
  if (Object.hasOwn(claims, path)) return (claims as Record<string, unknown>)[path]
  for (let dot = path.lastIndexOf('.'); dot > 0; dot = path.lastIndexOf('.', dot - 1)) {
    const outer = path.slice(0, dot)
    if (!Object.hasOwn(claims, outer)) continue
    const found = readClaim((claims as Record<string, unknown>)[outer], path.slice(dot + 1))
    if (found !== undefined) return found
  }
  return undefined
}
