// npm run db:migrate: applies to DATABASE_DIRECT_URL, or to DATABASE_URL, the migrations that it has not had yet, and sets how long the audit trail is
// kept at least from LOG_RETENTION_DAYS and DATA_RETENTION_DAYS, where they are set: whoever migrates owns the database.
import { setAuditPolicy } from '../shared/audit/audit-policy.js'
import { loadPart, readRetentionDays } from '../shared/config/config.js'
import { messageOf } from '../shared/errors.js'
import { directAccess, findPooling } from '../shared/runtime/pooling.js'
import { applyMigrations } from './schema-engine.js'

let code = 0
try {
  if (!process.env.DATABASE_URL) {
    throw new Error(
      'DATABASE_URL is not set: it says which PostgreSQL to migrate, such as postgresql://user:password@host:5432/name'
    )
  }
  const days = readRetentionDays(process.env)
  const settings = loadPart(process.env, ['database']).database
  const database = directAccess(settings)
  if ((await findPooling(database)) === 'transaction') {
    throw new Error(
      'This leads to a pooler in transaction mode, and migrations need a session: set DATABASE_DIRECT_URL to the database itself, or to a pool in session mode'
    )
  }
  const { names, role } = await applyMigrations(database, { isRoleDispensable: settings.role === undefined })
  process.stdout.write(names.length === 0 ? 'The database is up to date.\n' : `Applied: ${names.join(', ')}\n`)
  if (role === 'left out') {
    process.stdout.write(
      'Without the role tillworks_app (DATABASE_ROLE=none): the application acts as its login, and the database does not keep it from changing the audit trail and the ledger.\n'
    )
  }
  const { chainDays, addressDays } = await setAuditPolicy(database, days)
  process.stdout.write(
    `The audit trail is kept for at least ${chainDays} days, the addresses in it for ${addressDays}.\n`
  )
} catch (error) {
  process.stderr.write(`${messageOf(error)}\n`)
  code = 1
}
// The engine leaves a timer behind that need not be waited for.
process.exit(code)
