export interface Crawled {
  /** Each path that was answered, with its status. */
  answers: Map<string, number>
  /** References that lead out of the prefix or to nothing, and from where. */
  astray: string[]
}

/** Each report leads to the one before it, for ever. */
const MOST_OF_PAGE = 10

/** What a page refers to, as a browser resolves it: links, forms, scripts and styles. */
function referencesIn(html: string, url: string): string[] {
  const base = new URL(/<base href="([^"]*)"/.exec(html)?.[1] ?? url, url)
  const found = html.matchAll(/<(?:a|link|script|img|form)\b[^>]*?\s(?:href|src|action)="([^"]*)"/g)
  return [...found].map(([, reference = '']) => new URL(reference.replaceAll('&amp;', '&'), base).href)
}

/** Follows all that leads on from `start`; nothing on this server may be outside `prefix`, or be missing there. */
export async function crawl(origin: string, prefix: string, start: string[], headers: HeadersInit): Promise<Crawled> {
  const answers = new Map<string, number>()
  const astray: string[] = []
  const pages = new Map<string, number>()
  const waiting = start.map(path => ({ url: new URL(path, origin).href, from: 'start' }))
  for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
    const { url, from } = next
    const { pathname, search, origin: where, protocol } = new URL(url)
    if (where !== origin) {
      if (protocol !== 'https:' && protocol !== 'data:') astray.push(`${url} (${from})`)
      continue
    }
    const path = `${pathname}${search}`
    const ofPage = (pages.get(pathname) ?? 0) + 1
    if (answers.has(path) || ofPage > MOST_OF_PAGE) continue
    pages.set(pathname, ofPage)
    const response = await fetch(`${origin}${path}`, { headers, redirect: 'manual' })
    answers.set(path, response.status)
    const isInside = pathname === prefix || pathname.startsWith(`${prefix}/`)
    if (!isInside || response.status >= 400) astray.push(`${path} ${response.status} (${from})`)
    const text = await response.text()
    const location = response.headers.get('location')
    if (location !== null) waiting.push({ url: new URL(location, url).href, from: path })
    if (response.headers.get('content-type')?.startsWith('text/html'))
      waiting.push(...referencesIn(text, url).map(each => ({ url: each, from: path })))
  }
  return { answers, astray }
}
