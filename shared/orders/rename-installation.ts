import { writeAudit } from '../audit/audit.js'
import { transaction } from '../database/database.js'
import { Refused } from '../refused.js'
import type { Services } from '../runtime/services.js'
import { forgetEarlierNames, nameInstallation, readInstallation } from '../statements/installation.js'

/** Stripe takes 500 characters of a metadata value; one has to be readable in the dashboard, and the same in any case of letters. */
const NAME = /^[a-z0-9][a-z0-9._-]{0,63}$/

/**
 * Gives this installation another name at Stripe, audited. What bears an earlier one stays ours, but when this database is a
 * copy of that of another shop, which goes on under it: then all of that is its.
 */
export async function renameInstallation(
  { db, now }: Pick<Services, 'db' | 'now'>,
  name: string,
  by: { operator: string; isCopy: boolean }
): Promise<void> {
  if (!NAME.test(name)) {
    throw new Refused(
      'unclear_input',
      'A name has 1 to 64 lower-case letters, digits, dots, hyphens and underscores, and begins with a letter or digit.'
    )
  }
  await transaction(db.pool, async client => {
    const [before, ...earlier] = await readInstallation(client)
    if (by.isCopy && [before, ...earlier].includes(name)) {
      throw new Refused('unclear_input', `${name} is what the original is, or was, called. A copy takes another name.`)
    }
    await nameInstallation(client, name, now())
    const forgotten = by.isCopy ? await forgetEarlierNames(client, name) : []
    await writeAudit(client, {
      action: 'installation_named',
      status: 'SUCCESS',
      before,
      after: name,
      metadata: { operator: by.operator, forgotten }
    })
  })
}
