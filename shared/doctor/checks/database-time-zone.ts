import { readServerState } from '../../statements/server-state.js'
import type { Check } from '../check.js'
import { fine, must } from '../finding.js'

/** Names of PostgreSQL's for a zone that is always that of UTC. */
const UTC = /^(Etc\/)?(UTC|UCT|GMT|Universal|Zulu|Greenwich)([+-]?0)?$/i

/** Prisma's adapter drops the offset of a time: in another zone each would be wrong by it. */
export const databaseTimeZone: Check = {
  name: 'database time zone',
  needs: ['DATABASE_URL', 'DATABASE_ROLE'],
  async run({ database }) {
    const { timeZone, database: name } = await readServerState(await database())
    if (UTC.test(timeZone)) return [fine(`connections are in ${timeZone}`)]
    return [
      must(
        `connections are in ${timeZone}, so that times are read hours away from what they are: ALTER DATABASE "${name}" SET TimeZone TO 'UTC', and take TimeZone out of the settings of the login`
      )
    ]
  }
}
