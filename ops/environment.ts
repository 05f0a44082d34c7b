import { existsSync, readFileSync } from 'node:fs'
import { createInterface } from 'node:readline/promises'
import { type Config, type GroupName, loadConfig, loadPart } from '../shared/config/config.js'
import { openDatabase } from '../shared/database/database.js'
import { createLogger } from '../shared/logger.js'
import { openServices, type Services } from '../shared/runtime/services.js'
import { type Runtime, runtimeFile } from './state-folder.js'
import { UsageError } from './usage-error.js'

/** The settings: the environment, and outside production what a running `npm start` has told. */
export function environment(): NodeJS.ProcessEnv {
  if (process.env.NODE_ENV === 'production') return process.env
  if (!existsSync(runtimeFile)) return process.env
  const running: Runtime = JSON.parse(readFileSync(runtimeFile, 'utf8'))
  return { ...running.env, ...process.env }
}

type Opened<Part extends keyof Config = keyof Config> = Pick<Services, 'db' | 'now'> & { config: Pick<Config, Part> }

/**
 * The database alone, for commands that only read: with the settings of these groups, so that whatever else is missing is
 * none of their business.
 */
export async function reading<Part extends GroupName>(
  parts: readonly Part[],
  work: (opened: Opened<Part | 'database'>) => Promise<void>
): Promise<void> {
  await opening(loadPart(environment(), ['database', ...parts]), work)
}

/** The database alone, for commands that work without a queue store. */
export async function withDatabase(work: (opened: Opened) => Promise<void>): Promise<void> {
  await opening(loadConfig(environment()), work)
}

async function opening<C extends Pick<Config, 'database'>>(
  config: C,
  work: (opened: Pick<Services, 'db' | 'now'> & { config: C }) => Promise<void>
): Promise<void> {
  const name = 'tillworks-ops'
  const db = openDatabase({ ...config.database, log: createLogger({ level: 'warn', production: true, name }), name })
  try {
    await work({ config, db, now: () => new Date() })
  } finally {
    await db.close()
  }
}

/** Opens the services for one command and closes them after it. */
export async function withServices<T>(work: (services: Services) => Promise<T>): Promise<T> {
  const config = loadConfig(environment())
  const services = await openServices(config, {
    name: 'tillworks-ops',
    log: createLogger({ level: 'warn', production: true, name: 'tillworks-ops' })
  })
  try {
    return await work(services)
  } finally {
    await services.queues.close()
    await services.db.close()
  }
}

/** Why, for the audit trail: as it was said; else a person at a terminal is asked, and a script may leave it open. */
export async function why(given: string | undefined): Promise<string | undefined> {
  if (given !== undefined || process.stdin.isTTY !== true) return given
  const terminal = createInterface({ input: process.stdin, output: process.stderr })
  try {
    const said = (await terminal.question('Why? It goes into the audit trail: ')).trim()
    if (said === '') throw new UsageError('The reason is missing.')
    return said
  } finally {
    terminal.close()
  }
}

/** Who runs the command, for the audit trail. */
export function operator(): string {
  return process.env.OPS_OPERATOR ?? process.env.SUDO_USER ?? process.env.USER ?? 'unknown'
}
