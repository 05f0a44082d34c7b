import type { Access } from '../shared/database/access.js'
import { connectBounded } from '../shared/database/bounded-client.js'
import { SECOND } from '../shared/duration.js'

/** What the application acts as, so that the database itself keeps it from changing the audit trail and the ledger. */
const APP_ROLE = 'tillworks_app'
const ANSWER_WITHIN = 30 * SECOND
const MENDED =
  'Let a superuser run `CREATE ROLE tillworks_app NOLOGIN; GRANT tillworks_app TO` that login, give it CREATEROLE, or set DATABASE_ROLE=none (docs/postgresql.md#without-createrole)'

/** What the role can do in the migrations of this database. */
export type RoleUse = 'made' | 'left out'

interface Standing {
  login: string
  isThere: boolean
  /** The login may act as it, or may come to. */
  isOurs: boolean
  mayMake: boolean
  /** There is a database of ours in which nobody was given anything. */
  wasLeftOut: boolean
}

/**
 * Whether the migrations make the role and give it what it may do. Only `isDispensable` (DATABASE_ROLE=none) lets them leave
 * it out: where the login may not make it, where it belongs to another installation on the same server, and where it was left
 * out before, since some of its rights alone would be of no use. Throws, before anything is changed, when it cannot be made.
 */
export async function roleUse(access: Access | string, isDispensable: boolean): Promise<RoleUse> {
  const { login, isThere, isOurs, mayMake, wasLeftOut } = await readStanding(access)
  if (!wasLeftOut && (isThere ? isOurs : mayMake)) return 'made'
  if (isDispensable) return 'left out'
  if (wasLeftOut)
    throw new Error(
      `This database was migrated without the role ${APP_ROLE}, which cannot be made up for: set DATABASE_ROLE=none (docs/postgresql.md#without-createrole)`
    )
  throw new Error(`The login ${login} may not ${isThere ? 'act as' : 'make'} the role ${APP_ROLE}. ${MENDED}`)
}

async function readStanding(access: Access | string): Promise<Standing> {
  const client = await connectBounded(access, ANSWER_WITHIN)
  try {
    // From PostgreSQL 16 on CREATEROLE is about roles of one's own alone, and a member may be one that may not act as the role.
    const { rows } = await client.query<Standing>(
      `SELECT u.rolname AS login, r.oid IS NOT NULL AS "isThere", u.rolsuper OR u.rolcreaterole AS "mayMake",
         COALESCE(u.rolsuper OR CASE WHEN current_setting('server_version_num')::int >= 160000
           THEN pg_has_role(u.oid, r.oid, 'SET') OR pg_has_role(u.oid, r.oid, 'MEMBER WITH ADMIN OPTION')
           ELSE u.rolcreaterole OR pg_has_role(u.oid, r.oid, 'MEMBER') END, false) AS "isOurs",
         trail.oid IS NOT NULL AND NOT EXISTS (SELECT FROM aclexplode(trail.relacl) WHERE grantee = r.oid) AS "wasLeftOut"
       FROM pg_catalog.pg_roles u LEFT JOIN pg_catalog.pg_roles r ON r.rolname = $1
         LEFT JOIN pg_catalog.pg_class trail ON trail.oid = to_regclass('public."AuditChain"')
       WHERE u.rolname = current_user`,
      [APP_ROLE]
    )
    const [standing] = rows
    if (standing === undefined) throw new Error('PostgreSQL does not tell what its login may')
    return standing
  } finally {
    await client.end()
  }
}

/** Comments, texts, names and bodies as wholes, so that a semicolon in them ends nothing. */
const PARTS = /--[^\n]*|\/\*[\s\S]*?\*\/|'(?:[^']|'')*'|"(?:[^"]|"")*"|(\$\w*\$)[\s\S]*?\1|[\s\S]/g
const ABOUT_RIGHTS = /^\s*(?:(?:--[^\n]*|\/\*[\s\S]*?\*\/)\s*)*(?:GRANT|REVOKE|ALTER\s+DEFAULT\s+PRIVILEGES|DO)\b/i

/** The script of a migration without the statements about the role. Its checksum stays that of the whole. */
export function withoutRole(script: string): string {
  const statements = ['']
  for (const [part] of script.matchAll(PARTS)) {
    statements[statements.length - 1] += part
    if (part === ';') statements.push('')
  }
  return statements.filter(statement => !isAboutRole(statement)).join('')
}

function isAboutRole(statement: string): boolean {
  if (!statement.replace(/--[^\n]*/g, '').includes(APP_ROLE)) return false
  if (ABOUT_RIGHTS.test(statement)) return true
  throw new Error(`A migration does more in one statement than to give rights to ${APP_ROLE}: ${statement.trim()}`)
}
