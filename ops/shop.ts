import type { Command } from 'commander'
import type { Database } from '../shared/database/database.js'
import { renameInstallation } from '../shared/orders/rename-installation.js'
import { readInstallation } from '../shared/statements/installation.js'
import { command, type Output } from './command.js'
import { operator, withDatabase } from './environment.js'
import { answer, print } from './print.js'
import { UsageError } from './usage-error.js'

export function shop(): Command {
  return command('shop', 'What this installation is called in the metadata of what it makes at Stripe.', {
    examples: ['shop', 'shop --name staging --copy']
  })
    .option('--name <name>', 'call it so from now on')
    .option('--copy', 'with --name: this database was copied from a shop which goes on', false)
    .action(async ({ name, copy, ...options }: Output & { name?: string; copy: boolean }) => {
      if (name === undefined) {
        if (copy) throw new UsageError('--copy goes with --name: what the copy is called.')
        return await withDatabase('shop', async ({ db }) => await show(db, options))
      }
      await withDatabase('shop', async services => {
        await renameInstallation(services, name, { operator: operator(), isCopy: copy })
        await show(services.db, options)
      })
    })
}

async function show({ pool }: Database, options: Output): Promise<void> {
  const [name, ...earlier] = await readInstallation(pool)
  answer(options, { name, earlier }, () => {
    print(`This installation is called ${name} at Stripe.`)
    if (earlier.length > 0) print(`What bears an earlier name is its own, too: ${earlier.join(', ')}`)
  })
}
