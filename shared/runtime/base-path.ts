import type { IncomingMessage, RequestListener } from 'node:http'

/** A path of ours as those know it who come by the proxy: links, redirects, Location headers. `basePath` is empty without one. */
export function publicPath(basePath: string, path: string): string {
  return `${basePath}${path}`
}

/** What a cookie is sent to: other installations on the same host have their own. */
export function cookiePath(basePath: string): string {
  return basePath === '' ? '/' : basePath
}

/**
 * Serves what `listener` has under the prefix. Routes do not know it: it is taken off before they look. What comes without it is
 * served alike, for proxies that take it off themselves, probes and scrapers (docs/decisions/0055-one-prefix-for-each-listener.md).
 */
export function behindBasePath(basePath: string, listener: RequestListener): RequestListener {
  if (basePath === '') return listener
  // A request line may name the host, too: https://www.rfc-editor.org/rfc/rfc9112#section-3.2.2
  const prefix = new RegExp(`^(?:https?://[^/?#]*)?${basePath.replaceAll('.', '\\.')}(?=[/?#]|$)`)
  return (request: IncomingMessage & { originalUrl?: string }, response) => {
    const own = (request.url ?? '/').replace(prefix, '')
    request.url = own.startsWith('/') || /^https?:/.test(own) ? own : `/${own}`
    // What Express logs and shows: where it was asked for.
    if (request.url.startsWith('/')) request.originalUrl = publicPath(basePath, request.url)
    listener(request, response)
  }
}
