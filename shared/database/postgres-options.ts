/** What `options` of a connection string asks for. */
export interface PostgresOptions {
  /** Settings of PostgreSQL's, by name. */
  settings: Readonly<Record<string, string>>
  /** Words that a host reads to know which database is meant, such as `endpoint=ep-cool-name`. */
  routing: readonly string[]
}

/** Neon: https://neon.com/docs/connect/connection-errors; Supabase: `reference`. */
const ROUTING = /^(endpoint|project|reference)=[\w.-]+$/
/** What changes plans, logs and memory. All else could undo what Tillworks relies on: the role, time limits, durability. */
const HARMLESS =
  /^(work_mem|maintenance_work_mem|temp_buffers|hash_mem_multiplier|jit|jit_\w+|enable_\w+|geqo|geqo_\w+|plan_cache_mode|(random|seq)_page_cost|cpu_\w+_cost|effective_\w+|max_parallel_workers_per_gather|log_min_duration_statement|log_statement|tcp_keepalives_\w+|default_transaction_read_only)$/i

/** Reads `options` as the server does: https://www.postgresql.org/docs/18/libpq-connect.html#LIBPQ-CONNECT-OPTIONS */
export function readOptions(text: string): { options: PostgresOptions; problem?: string } {
  const settings: Record<string, string> = {}
  const routing: string[] = []
  const words = wordsOf(text)
  for (let next = words.shift(); next !== undefined; next = words.shift()) {
    if (ROUTING.test(next)) {
      routing.push(next)
      continue
    }
    const assignment = next === '-c' ? (words.shift() ?? '') : next.replace(/^(-c|--)/, '')
    const [, name = '', value = ''] = /^([\w.-]+)=(.*)$/s.exec(assignment) ?? []
    const setting = name.replaceAll('-', '_')
    if (next === assignment || setting === '')
      return {
        options: { settings, routing },
        problem:
          'has options that cannot be read: expected -c name=value, in a URL -c%20name%3Dvalue (a + stays a plus)'
      }
    if (!HARMLESS.test(setting))
      return {
        options: { settings, routing },
        problem: `has options that set ${setting}, which Tillworks sets itself or relies on: take it out, or set it for the login (ALTER ROLE)`
      }
    settings[setting.toLowerCase()] = value
  }
  return { options: { settings, routing } }
}

/** The `options` of a connection on whose start these settings are set. */
export function optionsText({ settings, routing }: PostgresOptions): string | undefined {
  const words = [
    ...routing,
    ...Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${escaped(value)}`])
  ]
  return words.length === 0 ? undefined : words.join(' ')
}

function escaped(value: string): string {
  return value.replace(/[\s\\]/g, character => `\\${character}`)
}

/** Between words is white space that no backslash precedes. */
function wordsOf(text: string): string[] {
  return (text.match(/(?:\\.|[^\s\\])+/gs) ?? []).map(word => word.replace(/\\(.)/gs, '$1'))
}
