/** Migrations from here on are held to the rules; the first ones were written before anybody had data. */
export const HELD_FROM = '20261129'

interface Rule {
  /** Of one statement, in capitals, without comments, texts and bodies of functions. */
  breaks(statement: string, context: Context): boolean
  says: string
}

interface Context {
  /** Whether the migration itself creates the table that the statement is about. */
  isNewTable: boolean
  statements: number
}

// https://www.postgresql.org/docs/18/explicit-locking.html#LOCKING-TABLES says which statement takes which lock.
const rules: Rule[] = [
  {
    breaks: (text, { isNewTable }) => /^CREATE (UNIQUE )?INDEX (?!CONCURRENTLY)/.test(text) && !isNewTable,
    says: 'an index on a table with rows is made CONCURRENTLY: without it nobody can write meanwhile'
  },
  {
    breaks: text => /^DROP INDEX (?!CONCURRENTLY)/.test(text),
    says: 'an index is dropped CONCURRENTLY'
  },
  {
    breaks: (text, { statements }) => /\bCONCURRENTLY\b/.test(text) && statements > 1,
    says: 'what is done CONCURRENTLY is the only statement of its migration: it cannot be in a transaction'
  },
  {
    breaks: (text, { isNewTable }) =>
      /^ALTER TABLE .*\bADD (CONSTRAINT \S+ )?(CHECK|FOREIGN KEY)\b/.test(text) &&
      !text.includes('NOT VALID') &&
      !isNewTable,
    says: 'a constraint is added NOT VALID, and validated by a migration of its own'
  },
  {
    breaks: (text, { isNewTable }) =>
      /^ALTER TABLE .*\bADD (CONSTRAINT \S+ )?(UNIQUE|PRIMARY KEY) ?\(/.test(text) && !isNewTable,
    says: 'a unique constraint is added USING INDEX, with an index that was made CONCURRENTLY'
  },
  {
    breaks: (text, { isNewTable }) => /\bALTER COLUMN \S+ (SET NOT NULL|(SET DATA )?TYPE)\b/.test(text) && !isNewTable,
    says: 'SET NOT NULL and TYPE read or write the whole table under a lock; use a CHECK that is NOT VALID, or a new column'
  },
  {
    breaks: (text, { isNewTable }) =>
      /\bADD COLUMN\b.*(\bDEFAULT (GEN_RANDOM_UUID|RANDOM|CLOCK_TIMESTAMP|NEXTVAL)|\b(BIG|SMALL)?SERIAL\b|\bGENERATED\b)/.test(
        text
      ) && !isNewTable,
    says: 'a column whose value differs from row to row writes the whole table under a lock'
  },
  {
    breaks: text => /^ALTER TABLE .*\b(DROP COLUMN|RENAME)\b|^DROP TABLE\b/.test(text),
    says: 'the release before still uses what is dropped or renamed; that is for a later release, with its own decision'
  },
  {
    breaks: (text, { isNewTable }) => /^(UPDATE|DELETE FROM)\b/.test(text) && !isNewTable,
    says: 'rows are changed in batches, by a job, so that none is locked for long'
  },
  {
    breaks: text => /^(LOCK|CLUSTER|VACUUM|REINDEX (?!.*CONCURRENTLY)|TRUNCATE)\b/.test(text),
    says: 'this locks a whole table'
  }
]

/** What of a migration would hold back the requests of a live shop, in words; empty when nothing does. */
export function lockingProblems(sql: string): string[] {
  const statements = statementsOf(sql)
  const created = new Set(statements.flatMap(text => /^CREATE TABLE (?:IF NOT EXISTS )?(\S+)/.exec(text)?.[1] ?? []))
  return statements.flatMap(text => {
    const table = /^(?:ALTER TABLE(?: ONLY)?|UPDATE|DELETE FROM|CREATE (?:UNIQUE )?INDEX .*? ON) ("?[\w.]+"?)/.exec(
      text
    )?.[1]
    const context = { isNewTable: table !== undefined && created.has(table), statements: statements.length }
    return rules.filter(rule => rule.breaks(text, context)).map(rule => `${rule.says}: ${text.slice(0, 120)}`)
  })
}

function statementsOf(sql: string): string[] {
  return sql
    .replace(/--.*$/gm, '')
    .replace(/\/\*[\s\S]*?\*\//g, '')
    .replace(/\$(\w*)\$[\s\S]*?\$\1\$/g, "''")
    .replace(/'(?:[^']|'')*'/g, "''")
    .split(';')
    .map(statement => statement.replace(/\s+/g, ' ').trim().toUpperCase())
    .filter(statement => statement !== '')
}
