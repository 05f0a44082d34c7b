// npm run db:migrate: applies to DATABASE_URL the migrations that it has not had yet, and sets how long the audit trail is
// kept at least from LOG_RETENTION_DAYS and DATA_RETENTION_DAYS, where they are set: whoever migrates owns the database.
import { setAuditPolicy } from '../shared/audit/audit-policy.js'
import { readRetentionDays } from '../shared/config/config.js'
import { messageOf } from '../shared/errors.js'
import { applyMigrations } from './schema-engine.js'

const url = process.env.DATABASE_URL
let code = 0
try {
  if (!url) {
    throw new Error(
      'DATABASE_URL is not set: it says which PostgreSQL to migrate, such as postgresql://user:password@host:5432/name'
    )
  }
  const days = readRetentionDays(process.env)
  const applied = await applyMigrations(url)
  process.stdout.write(applied.length === 0 ? 'The database is up to date.\n' : `Applied: ${applied.join(', ')}\n`)
  const { chainDays, addressDays } = await setAuditPolicy(url, days)
  process.stdout.write(
    `The audit trail is kept for at least ${chainDays} days, the addresses in it for ${addressDays}.\n`
  )
} catch (error) {
  process.stderr.write(`${messageOf(error)}\n`)
  code = 1
}
// The engine leaves a timer behind that need not be waited for.
process.exit(code)
