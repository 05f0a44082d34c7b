import { existsSync, readFileSync } from 'node:fs'
import { createInterface } from 'node:readline/promises'
import { type Config, loadFor } from '../shared/config/config.js'
import { openDatabase } from '../shared/database/database.js'
import { createLogger } from '../shared/logger.js'
import { openQueues } from '../shared/queue/queues.js'
import { Neighbours } from '../shared/runtime/neighbours.js'
import { settlePooling } from '../shared/runtime/pooling.js'
import { queueAccess, type Services } from '../shared/runtime/services.js'
import { createStripe } from '../shared/runtime/stripe-client.js'
import { NO_TELEMETRY, startTelemetry } from '../shared/runtime/telemetry.js'
import { tracedCommand } from '../shared/tracing.js'
import { type CommandName, type CommandsWith, type PartOf, settingsFor } from './needs.js'
import { type Runtime, runtimeFile } from './state-folder.js'
import { terminal } from './terminal.js'
import { UsageError } from './usage-error.js'

const OPS = 'tillworks-ops'

/** The settings: the environment, and outside production what a running `npm start` has told. */
export function environment(): NodeJS.ProcessEnv {
  if (terminal().env.NODE_ENV === 'production') return terminal().env
  if (!existsSync(runtimeFile)) return terminal().env
  const running: Runtime = JSON.parse(readFileSync(runtimeFile, 'utf8'))
  return { ...running.env, ...terminal().env }
}

type Opened<Name extends CommandName> = Pick<Services<PartOf<Name>>, 'config' | 'db' | 'now' | 'log'>

/**
 * The database, with the settings that this command needs: whatever else is missing is none of its business. All of it is one
 * trace, where traces are sent.
 */
export async function withDatabase<Name extends CommandName>(
  command: Name,
  work: (opened: Opened<Name>) => Promise<void>
): Promise<void> {
  const config = loadFor(environment(), settingsFor(command))
  const log = createLogger({ level: 'warn', production: true, name: OPS, destination: terminal().stderr })
  // Nothing of it may keep a command from being done.
  const telemetry = await startTelemetry(config, OPS, log).catch(() => NO_TELEMETRY)
  try {
    await tracedCommand(`ops ${command}`, async () => {
      const database = await settlePooling(config.database, log)
      const db = openDatabase({ ...database, log, name: OPS })
      try {
        await work({ config: { ...config, database }, db, log, now: () => new Date() })
      } finally {
        await db.close()
      }
    })
  } finally {
    await telemetry.run()
  }
}

/** The database and the queues. */
export async function withQueues<Name extends CommandsWith<'queue'>>(
  command: Name,
  work: (opened: Opened<Name> & Pick<Services, 'queues'>) => Promise<void>
): Promise<void> {
  await withDatabase<CommandsWith<'queue'>>(command, async opened => {
    const database = queueAccess(opened.config, opened.config.database)
    const queues = await openQueues({ ...opened.config.queue, database }, opened.log)
    try {
      await work({ ...(opened as Opened<Name>), queues })
    } finally {
      await queues.close()
    }
  })
}

/** The database and Stripe. */
export async function withStripe<Name extends CommandsWith<'stripe'>>(
  command: Name,
  work: (opened: Opened<Name> & Pick<Services, 'stripe'>) => Promise<void>
): Promise<void> {
  await withDatabase<CommandsWith<'stripe'>>(command, async opened => {
    await work({ ...(opened as Opened<Name>), stripe: createStripe(opened.config) })
  })
}

/** All that an act on a payment takes. Of the settings that its command does not ask for, it reads none. */
export async function withServices(
  command: CommandsWith<'queue'> & CommandsWith<'stripe'>,
  work: (services: Services) => Promise<void>
): Promise<void> {
  await withQueues(command, async opened => {
    await work({
      ...opened,
      config: opened.config as Config,
      stripe: createStripe(opened.config),
      neighbours: new Neighbours(),
      countryOf: undefined,
      telemetry: NO_TELEMETRY
    })
  })
}

/** Why, for the audit trail: as it was said; else a person at a terminal is asked, and a script may leave it open. */
export async function why(given: string | undefined): Promise<string | undefined> {
  if (given !== undefined || terminal().stdin.isTTY !== true) return given
  const { stdin, stderr } = terminal()
  const asking = createInterface({ input: stdin, output: stderr })
  try {
    const said = (await asking.question('Why? It goes into the audit trail: ')).trim()
    if (said === '') throw new UsageError('The reason is missing.')
    return said
  } finally {
    asking.close()
  }
}

/** Who runs the command, for the audit trail. */
export function operator(): string {
  return terminal().env.OPS_OPERATOR ?? terminal().env.SUDO_USER ?? terminal().env.USER ?? 'unknown'
}
