import { randomBytes } from 'node:crypto'
import pg from 'pg'
import { administer } from './shop.js'

/** A database of one test file on the server of the run. */
export interface TestDatabase {
  url: URL
  /** Connected as the owner. */
  client: pg.Client
  drop(): Promise<void>
}

/** An empty one, or one with our tables: a copy of `template_tillworks`. */
export async function createTestDatabase(template?: 'template_tillworks'): Promise<TestDatabase> {
  const server = process.env.TILLWORKS_TEST_POSTGRES ?? ''
  const name = `test_${randomBytes(6).toString('hex')}`
  await administer(server, `CREATE DATABASE "${name}"${template === undefined ? '' : ` TEMPLATE ${template}`}`)
  const url = new URL(server)
  url.pathname = name
  const client = new pg.Client({ connectionString: url.href })
  await client.connect()
  return {
    url,
    client,
    async drop() {
      await client.end()
      await administer(server, `DROP DATABASE "${name}" WITH (FORCE)`)
    }
  }
}
