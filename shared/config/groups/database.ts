import { type Group, required, setting } from '../setting.js'
import { integer, text, url, type ValueType } from '../value-types.js'

const roleName = text('the name of a role, or none', text => /^[a-z_][a-z0-9_]{0,62}$/.test(text))
const role: ValueType<string | undefined> = {
  takes: roleName.takes,
  schema: roleName.schema.transform(name => (name === 'none' ? undefined : name))
}

export const database = {
  title: 'Database',
  settings: {
    url: required('DATABASE_URL', url('postgresql://user:password@host:5432/tillworks', ['postgres:', 'postgresql:']), {
      secret: true,
      doc: 'PostgreSQL, all data',
      npmStart: 'embedded PostgreSQL'
    }),
    poolSize: setting('DATABASE_POOL_SIZE', integer(2, 500), { default: '20', doc: 'connections of a process' }),
    /** What every connection acts as: it can add to the audit trail and the ledger, and change neither. */
    role: setting('DATABASE_ROLE', role, {
      default: 'tillworks_app',
      doc: "what connections act as; `none` for the login's own rights ([operations](operations.md))"
    })
  }
} satisfies Group
