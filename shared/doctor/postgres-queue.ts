import { assertSchemaCompatibility, LATEST_SCHEMA_VERSION, SchemaMigrationRequiredError } from 'bullmq'
import { connectBounded } from '../database/bounded-client.js'
import { SECOND } from '../duration.js'
import { QUEUE_SCHEMA } from '../queue/queue-schema.js'
import { directAccess } from '../runtime/pooling.js'
import { readSchemaRights } from '../statements/server-state.js'
import { type Finding, fine, must, Unseen } from './finding.js'
import { reasonOf } from './reason.js'
import type { Subject } from './subject.js'

const ANSWER_WITHIN = 3 * SECOND

/** As the login itself, which BullMQ's connections have: the role of the application is not set there. */
export async function lookAtPostgresQueue({ config, settings, database }: Subject): Promise<Finding[]> {
  if (settings.wrong.has('DATABASE_URL')) throw new Unseen('DATABASE_URL is wrong')
  await database()
  const client = await connectBounded(directAccess(config.database), ANSWER_WITHIN)
  try {
    const { login, database: name, mayCreate, mayUse } = await readSchemaRights(client, QUEUE_SCHEMA)
    if (mayUse === false)
      return [
        must(
          `${login} may not use the schema ${QUEUE_SCHEMA}: let the login that made it run the queue, or GRANT USAGE`
        )
      ]
    const version = await assertSchemaCompatibility(client, QUEUE_SCHEMA).catch(error => {
      if (error instanceof SchemaMigrationRequiredError) return undefined
      throw error
    })
    const isCurrent = version !== undefined && version >= LATEST_SCHEMA_VERSION
    if (isCurrent) return [fine(`PostgreSQL, schema ${QUEUE_SCHEMA} at version ${version}`)]
    if (!mayCreate)
      return [
        must(`${login} may not create the schema ${QUEUE_SCHEMA}: GRANT CREATE ON DATABASE "${name}" TO "${login}"`)
      ]
    return [fine(`PostgreSQL, the schema ${QUEUE_SCHEMA} is made at the first start`)]
  } catch (error) {
    return [must(`the schema ${QUEUE_SCHEMA} cannot be used: ${reasonOf(error)}`)]
  } finally {
    await client.end()
  }
}
