import { isIP } from 'node:net'

const WEB_SCHEMES = ['http:', 'https:']
/** Those of apps and extensions whose pages have an origin of their own, which they send as it is written. */
const APP_SCHEMES = ['capacitor:', 'ionic:', 'tauri:', 'chrome-extension:', 'moz-extension:', 'safari-web-extension:']
const EXAMPLE = 'https://shop.example'
const SUBDOMAIN = '*.'
/** One label of a host name: RFC 1123, section 2.1, and the underscore, which browsers take. */
const LABEL = '[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?'
/** Under these anybody gets a name: some of the private part of https://publicsuffix.org/list/. */
const SHARED_PARENTS = new Set(
  (
    'vercel.app netlify.app pages.dev workers.dev github.io gitlab.io herokuapp.com onrender.com fly.dev web.app firebaseapp.com ' +
    'azurewebsites.net azurestaticapps.net cloudfront.net amplifyapp.com surge.sh ngrok.io ngrok.app ngrok-free.app myshopify.com ' +
    'railway.app up.railway.app deno.dev replit.app glitch.me stackblitz.io repl.co blogspot.com wixsite.com webflow.io'
  ).split(' ')
)
/** As co.uk, com.au: of the part of that list that registries have. */
const REGISTRY_PARENT = /^(ac|co|com|edu|gov|net|or|ne|org|gob|gouv|nom)\.[a-z]{2}$/

/** Whether an Origin header is one of a list that originProblem() let through. */
export function originMatcher(entries: readonly string[]): (origin: string) => boolean {
  const exact = new Set(entries.filter(entry => !entry.includes('*')))
  const patterns = entries.filter(entry => entry.includes('*')).map(patternOf)
  return origin => exact.has(origin) || patterns.some(pattern => pattern.test(origin))
}

function patternOf(entry: string): RegExp {
  const [before = '', after = ''] = entry.split('*')
  return new RegExp(`^${literally(before)}${LABEL}${literally(after)}$`)
}

function literally(text: string): string {
  return text.replace(/[\\^$.*+?()[\]{}|/-]/g, '\\$&')
}

/**
 * Why no browser ever sends what `entry` stands for, or why it stands for too many; undefined when it can match. An
 * Origin is scheme, host and port as https://html.spec.whatwg.org/multipage/browsers.html#ascii-serialisation-of-an-origin
 * writes them, compared letter by letter.
 */
export function originProblem(entry: string): string | undefined {
  if (entry === '*') return `would let every site in; name your own, such as ${EXAMPLE}`
  if (entry.toLowerCase() === 'null') {
    return 'is what browsers send for pages without an origin, which anybody can make; it is never accepted'
  }
  if (/["'`]/.test(entry)) return 'has quotation marks; write it without'
  if (/[\s;]/.test(entry)) return 'is more than one, or has white space in it; put commas between several'
  if (!/^[a-z][a-z0-9+.-]*:\/\//i.test(entry)) return `has no scheme; write ${withScheme(entry)}`
  if (entry.includes('*')) return wildcardProblem(entry)
  return exactProblem(entry)
}

function exactProblem(entry: string): string | undefined {
  if (!URL.canParse(entry)) return `is not an origin; expected scheme and host alone, such as ${EXAMPLE}`
  const url = new URL(entry)
  if (APP_SCHEMES.includes(url.protocol)) return appProblem(entry, url)
  if (!WEB_SCHEMES.includes(url.protocol)) {
    return `has the scheme ${url.protocol}//, which no page's origin has; expected https:// or http://`
  }
  if (url.username !== '' || url.password !== '') return `has a user or a password in it; write ${url.origin}`
  if (/^\.|\.\./.test(url.hostname)) return 'has an empty part in its host name'
  if (url.port === '0') return 'has port 0, which nothing can be reached at'
  if (url.origin === entry) return undefined
  return `${differenceOf(entry, url)}; browsers send ${url.origin}: write that`
}

/** What makes `entry` another text than the origin of its URL. */
function differenceOf(entry: string, url: URL): string {
  const afterScheme = entry.slice(entry.indexOf('://') + 3)
  const [authority = ''] = afterScheme.split(/[/?#\\]/, 1)
  const rest = afterScheme.slice(authority.length)
  if (rest === '/') return 'has a slash at its end'
  if (rest !== '') return 'has a path or more after its host'
  if (/[^\x20-\x7e]/.test(authority)) return 'has a name that travels in its ASCII form (punycode)'
  if (entry !== entry.toLowerCase()) return 'has upper-case letters'
  const port = /:(\d+)$/.exec(authority)?.[1]
  if (port !== undefined && url.port === '') return `names the port that ${url.protocol}// has anyway`
  return 'is not written as browsers write it'
}

/** URLs of these schemes are not taken apart and put together again: what is sent is what the app calls itself. */
function appProblem(entry: string, url: URL): string | undefined {
  const bare = `${url.protocol}//${url.host}`
  if (url.host === '') return 'names no host'
  if (entry.toLowerCase() !== entry) return 'has upper-case letters, which browsers do not send'
  return entry === bare ? undefined : `has more than scheme and host; write ${bare}`
}

/** A wildcard stands for one label, the first, of names below one that is the shop's own. */
function wildcardProblem(entry: string): string | undefined {
  const [scheme = '', rest = ''] = entry.split('://')
  const parent = rest.slice(SUBDOMAIN.length)
  if (!rest.startsWith(SUBDOMAIN) || parent.includes('*') || parent === '') {
    return 'has a * elsewhere than for the first label of a host; only https://*.shop.example works'
  }
  if (!WEB_SCHEMES.includes(`${scheme.toLowerCase()}:`)) return 'has a * with a scheme that has no subdomains'
  const unstarred = `${scheme}://${parent}`
  const problem = exactProblem(unstarred)
  if (problem !== undefined) {
    const { origin } = URL.canParse(unstarred) ? new URL(unstarred) : { origin: 'null' }
    return origin === 'null' ? problem : problem.replaceAll(origin, origin.replace('://', `://${SUBDOMAIN}`))
  }
  const { hostname } = new URL(unstarred)
  if (isIP(hostname.replace(/^\[|\]$/g, '')) !== 0) return 'has a * before an IP address, which has no subdomains'
  if (hostname === 'localhost' || hostname.endsWith('.localhost')) return undefined
  if (!hostname.includes('.') || SHARED_PARENTS.has(hostname) || REGISTRY_PARENT.test(hostname)) {
    return `would let everybody in who gets a name under ${hostname}; name your own, such as https://*.shop.example`
  }
  return undefined
}

function withScheme(entry: string): string {
  const bare = entry.replace(/^(?:[^/.]*:)?\/+/, '')
  const wanted = `https://${bare.split(/[/?#]/, 1)[0] ?? ''}`
  return URL.canParse(wanted) ? new URL(wanted).origin : EXAMPLE
}
