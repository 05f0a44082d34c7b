import { migrationNames } from '../../database/migration-names.js'
import { readAppliedMigrations } from '../../statements/server-state.js'
import type { Check } from '../check.js'
import { type Finding, fine, must, should } from '../finding.js'

export const migrations: Check = {
  name: 'migrations',
  needs: ['DATABASE_URL', 'DATABASE_ROLE'],
  async run({ database }) {
    const applied = await readAppliedMigrations(await database())
    const ours = migrationNames()
    const broken = applied.filter(({ isBroken }) => isBroken).map(({ name }) => name)
    const done = new Set(applied.filter(({ isBroken }) => !isBroken).map(({ name }) => name))
    const pending = ours.filter(name => !done.has(name) && !broken.includes(name))
    const newer = [...done].filter(name => !ours.includes(name))
    const findings: Finding[] = []
    if (broken.length > 0)
      findings.push(
        must(
          `${broken.join(', ')} broke off: read why in "_prisma_migrations", mend it, then npx prisma migrate resolve`
        )
      )
    if (pending.length > 0)
      findings.push(
        must(`${pending.length} of ${ours.length} pending, the first is ${pending[0]}: run npm run db:migrate`)
      )
    if (newer.length > 0)
      findings.push(
        should(`the database has ${newer.join(', ')}, which this release does not know: is it older than the database?`)
      )
    return findings.length > 0 ? findings : [fine(`all ${ours.length} applied, the last is ${ours.at(-1)}`)]
  }
}
