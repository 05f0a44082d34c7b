import { readRights, readServerState } from '../../statements/server-state.js'
import type { Check } from '../check.js'
import { type Finding, fine, must, should } from '../finding.js'

const ROLES = 'docs/operations.md#database-roles'
const MOST_NAMED = 4

/** What the application may do: all that it has to, and neither change the audit trail nor the ledger. */
export const databaseRole: Check = {
  name: 'database role',
  needs: ['DATABASE_URL', 'DATABASE_ROLE'],
  async run({ config, database }) {
    const pool = await database()
    const { login, role, isSuperuser } = await readServerState(pool)
    const { missing, tooMuch } = await readRights(pool)
    const findings: Finding[] = []
    const wanted = config.database.role
    if (wanted !== undefined && role !== wanted)
      findings.push(
        must(
          `connections act as ${role} and not as ${wanted} (DATABASE_ROLE): a pooler or DATABASE_URL drops it; give the application a login in ${wanted} and set DATABASE_ROLE=none (${ROLES})`
        )
      )
    if (missing.length > 0)
      findings.push(must(`${role} lacks ${some(missing)}: run npm run db:migrate as the owner (${ROLES})`))
    if (isSuperuser)
      findings.push(should(`${role} is a superuser, who can change everything: use another one (${ROLES})`))
    else if (tooMuch.length > 0)
      findings.push(should(`${role} may do what only the owner should, ${some(tooMuch)}: use tillworks_app (${ROLES})`))
    if (findings.length > 0) return findings
    const as = login === role ? `${role} is` : `${login} acts as ${role},`
    return [fine(`${as} able to add to the audit trail and the ledger, and to change neither`)]
  }
}

function some(all: string[]): string {
  const more = all.length - MOST_NAMED
  return all.slice(0, MOST_NAMED).join(', ') + (more > 0 ? ` and ${more} more` : '')
}
