import { remedyOf } from '../../database/connection-failure.js'
import { connectionUrl } from '../../database/connection-url.js'
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
    const { host, port, tls } = connectionUrl(config.database.url, config.database.caFile)
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
      if (tls?.mode === 'require')
        findings.push(
          should(
            'sslmode=require: whoever stands in between can pass for the server: write sslmode=verify-full, with the authority of its host in DATABASE_CA_FILE'
          )
        )
      if (server.schema !== 'public')
        findings.push(
          must(
            `names are looked for in the schema ${server.schema ?? 'of nobody'}: take search_path out of the settings of the login and of the database, tables are in public`
          )
        )
      return findings.length > 0
        ? findings
        : [fine(`PostgreSQL ${server.version}, database ${server.database} at ${host}:${port}, schema public`)]
    } catch (error) {
      const remedy = remedyOf(error) ?? 'Does it run, and may this machine reach it?'
      const reason = reasonOf(error)
      return [must(`${host}:${port} cannot be used: ${reason.endsWith(remedy) ? reason : `${reason}. ${remedy}`}`)]
    }
  }
}
