import { parseArgs } from 'node:util'
import { renameInstallation } from '../shared/orders/rename-installation.js'
import { readInstallation } from '../shared/statements/installation.js'
import { operator, withDatabase } from './environment.js'
import { print } from './print.js'
import { UsageError } from './usage-error.js'

/** What this installation is called in the metadata of what it makes at Stripe, and another name for it. */
export async function shop(args: string[]): Promise<void> {
  const { values } = parseArgs({
    args,
    options: { name: { type: 'string' }, copy: { type: 'boolean', default: false } }
  })
  if (values.copy && values.name === undefined)
    throw new UsageError('--copy goes with --name: what the copy is called.')
  await withDatabase(async services => {
    if (values.name !== undefined) {
      await renameInstallation(services, values.name, { operator: operator(), isCopy: values.copy })
    }
    const [name, ...earlier] = await readInstallation(services.db.pool)
    print(`This installation is called ${name} at Stripe.`)
    if (earlier.length > 0) print(`What bears an earlier name is its own, too: ${earlier.join(', ')}`)
  })
}
