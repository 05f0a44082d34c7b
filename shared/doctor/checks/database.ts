import { readServerState } from '../../statements/server-state.js'
import type { Check } from '../check.js'
import { type Finding, fine, must, should } from '../finding.js'
import { reasonOf } from '../reason.js'

/** What the migrations and statements use is in it. */
const OLDEST = 13
/** Older ones get no fixes any more. Source: https://www.postgresql.org/support/versioning/ */
const OLDEST_SUPPORTED = 15

export const database: Check = {
  name: 'database',
  needs: ['DATABASE_URL', 'DATABASE_ROLE'],
  async run({ config, connect }) {
    const { host, port } = placeOf(config.database.url)
    try {
      const server = await readServerState(await connect())
      const findings: Finding[] = []
      const major = Math.floor(server.versionNumber / 10_000)
      if (major < OLDEST) findings.push(must(`PostgreSQL ${server.version}: move to ${OLDEST} or newer`))
      else if (major < OLDEST_SUPPORTED)
        findings.push(
          should(`PostgreSQL ${server.version} gets no fixes any more: move to ${OLDEST_SUPPORTED} or newer`)
        )
      if (server.isReadOnly)
        findings.push(must('it takes no writes (a replica, or read only): let DATABASE_URL name the primary'))
      if (server.schema !== 'public')
        findings.push(
          must(
            `names are looked for in the schema ${server.schema ?? 'of nobody'}: take search_path out of DATABASE_URL and of the login, tables are in public`
          )
        )
      return findings.length > 0
        ? findings
        : [fine(`PostgreSQL ${server.version}, database ${server.database} at ${host}:${port}, schema public`)]
    } catch (error) {
      return [must(`${host}:${port} cannot be used: ${reasonOf(error)}. ${remedyOf(error)}`)]
    }
  }
}

function placeOf(url: string): { host: string; port: string } {
  const { hostname, port } = new URL(url)
  return { host: hostname || 'localhost', port: port || '5432' }
}

/** Source of the codes: https://www.postgresql.org/docs/18/errcodes-appendix.html */
function remedyOf(error: unknown): string {
  const { code = '' } = error as { code?: string }
  if (/unsupported startup parameter/.test(reasonOf(error)))
    return 'It is a pooler that has to let it pass (docs/operations.md#poolers)'
  if (code === '28P01' || code === '28000') return 'Check the user and the password in DATABASE_URL'
  if (code === '3D000') return 'Create the database, or name another one in DATABASE_URL'
  if (code === '42704' || code === '22023' || code === '42501')
    return 'The role of DATABASE_ROLE has to exist and the login has to be in it: npm run db:migrate, or docs/operations.md#database-roles'
  if (code.startsWith('53')) return 'It has no connection left: raise max_connections or lower DATABASE_POOL_SIZE'
  return 'Does it run, and may this machine reach it?'
}
