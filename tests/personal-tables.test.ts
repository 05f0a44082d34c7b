import { readFileSync } from 'node:fs'
import { impersonalTables, personalTables } from '../shared/statements/personal-tables.js'

const schema = readFileSync('prisma/schema.prisma', 'utf8')
const models = [...schema.matchAll(/^model (\w+) \{\n([\s\S]*?)^\}/gm)].map(([, name = '', body = '']) => ({
  name,
  body
}))
const tables = new Set(models.map(({ name }) => name))

/** The columns of a model: its fields, but for those that name another model. */
function columnsOf(body: string): string[] {
  return body
    .split('\n')
    .flatMap(line => {
      const [, column = '', type = ''] = /^ {2}(\w+)\s+(\w+)/.exec(line) ?? []
      return column === '' || tables.has(type) ? [] : [column]
    })
    .sort()
}

it('reads the schema', () => {
  expect(models.length).toBeGreaterThan(20)
})

it.each(models.map(({ name, body }) => [name, columnsOf(body)] as const))(
  'somebody has thought of each column of %s: is it personal, handed out, internal?',
  (name, columns) => {
    const known = personalTables.find(({ table }) => table === name)
    if (known === undefined) return expect(Object.keys(impersonalTables)).toContain(name)
    expect(impersonalTables[name]).toBeUndefined()
    expect([...known.personal, ...known.record, ...known.internal].sort()).toEqual(columns)
  }
)

it('names no table that is not there', () => {
  for (const name of [...personalTables.map(({ table }) => table), ...Object.keys(impersonalTables)])
    expect(tables).toContain(name)
})
