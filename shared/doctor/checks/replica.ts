import { connectBounded } from '../../database/bounded-client.js'
import { connectionUrl } from '../../database/connection-url.js'
import { measureLag } from '../../database/replica.js'
import { SECOND } from '../../duration.js'
import type { Check } from '../check.js'
import { fine, should } from '../finding.js'
import { reasonOf } from '../reason.js'

const ANSWER_WITHIN = 5 * SECOND

/** Without it reports and searches read the primary: slower, not wrong. */
export const replica: Check = {
  name: 'replica',
  needs: ['DATABASE_URL', 'DATABASE_ROLE'],
  async run({ config }) {
    const { replicaUrl: url, replicaMaxLagSeconds, caFile, passwordFile } = config.database
    if (url === undefined) return [fine('none (DATABASE_REPLICA_URL): reports and searches read the primary')]
    const { host, port } = connectionUrl(url, caFile)
    try {
      const client = await connectBounded({ url, caFile, passwordFile }, ANSWER_WITHIN)
      try {
        const seconds = Math.round((await measureLag(client)) / SECOND)
        return seconds > replicaMaxLagSeconds
          ? [should(`${host}:${port} is ${seconds} s behind, so that reports and searches read the primary`)]
          : [fine(`${host}:${port} is ${seconds} s behind; reports and searches read it`)]
      } finally {
        await client.end()
      }
    } catch (error) {
      return [should(`${host}:${port} cannot be read, so that the primary is: ${reasonOf(error)}`)]
    }
  }
}
