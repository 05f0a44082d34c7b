// npm run db:migrate: applies to DATABASE_URL the migrations that it has not had yet.
import { messageOf } from '../shared/errors.js'
import { applyMigrations } from '../shared/migrations.js'

const url = process.env.DATABASE_URL
let code = 0
try {
  if (!url) {
    throw new Error(
      'DATABASE_URL is not set: it says which PostgreSQL to migrate, such as postgresql://user:password@host:5432/name'
    )
  }
  const applied = await applyMigrations(url)
  process.stdout.write(applied.length === 0 ? 'The database is up to date.\n' : `Applied: ${applied.join(', ')}\n`)
} catch (error) {
  process.stderr.write(`${messageOf(error)}\n`)
  code = 1
}
// The engine leaves a timer behind that need not be waited for.
process.exit(code)
