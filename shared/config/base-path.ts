import { given, type ValueType } from './value-types.js'

const MAX_LENGTH = 200

/** The prefix under which a proxy shows a listener; empty without one. It becomes part of links, patterns and cookies. */
export const basePath: ValueType<string> = {
  takes: 'a path such as /payments',
  schema: given().transform((text, context) => {
    const problem = basePathProblem(text)
    if (problem === undefined) return text === '/' ? '' : text
    context.addIssue({ code: 'custom', message: `expected a path such as /payments; this one ${problem}` })
    return ''
  })
}

/** As it is read from the text of the variable, for whoever needs it before all settings are read; empty when it is wrong. */
export function readBasePath(text = ''): string {
  return basePath.schema.safeParse(text).data ?? ''
}

/** What is wrong with it, and what to do; undefined when nothing is. */
export function basePathProblem(text: string): string | undefined {
  if (text === '' || text === '/') return undefined
  if (/^[a-z][a-z0-9+.-]*:\/\//i.test(text)) return 'is a whole URL: write its path alone'
  if (/\s/.test(text)) return 'has a space: take it out'
  if (text.includes('\\')) return 'has a backslash: write /'
  if (text.includes('?')) return 'has a query: a prefix is a path alone'
  if (text.includes('#')) return 'has a fragment: a prefix is a path alone'
  if (text.includes('%')) return 'is percent-encoded: take plain letters and digits'
  if (!text.startsWith('/')) return `does not begin with a slash: write /${text.replace(/\/+$/, '')}`
  if (text.includes('//')) return 'has two slashes together: write one'
  if (text.endsWith('/')) return `has a slash at its end: write ${text.slice(0, -1)}`
  if (text.split('/').some(segment => /^\.+$/.test(segment)))
    return 'has a segment of dots: write the path that it leads to'
  const odd = /[^\w.~/-]/u.exec(text)?.[0]
  if (odd !== undefined) return `has "${odd}": only letters, digits and - . _ ~ are possible between slashes`
  if (text.length > MAX_LENGTH) return `has more than ${MAX_LENGTH} characters`
  return undefined
}
