import { existsSync, readFileSync } from 'node:fs'
import { createInterface } from 'node:readline/promises'
import { loadConfig } from '../shared/config/config.js'
import { openDatabase } from '../shared/database/database.js'
import { createLogger } from '../shared/logger.js'
import { openServices, type Services } from '../shared/runtime/services.js'
import { type Runtime, runtimeFile } from './state-folder.js'
import { required } from './usage-error.js'

/** The settings: the environment, and outside production what a running `npm start` has told. */
export function environment(): NodeJS.ProcessEnv {
  if (process.env.NODE_ENV === 'production') return process.env
  if (!existsSync(runtimeFile)) return process.env
  const running: Runtime = JSON.parse(readFileSync(runtimeFile, 'utf8'))
  return { ...running.env, ...process.env }
}

/** The database alone, for commands that work without a queue store, and on a replica. */
export async function withDatabase<T>(
  work: (opened: Pick<Services, 'config' | 'db' | 'now'>) => Promise<T>
): Promise<T> {
  const config = loadConfig(environment())
  const name = 'tillworks-ops'
  const db = openDatabase({ ...config.database, log: createLogger({ level: 'warn', production: true, name }), name })
  try {
    return await work({ config, db, now: () => new Date() })
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
    return required((await terminal.question('Why? It goes into the audit trail: ')).trim(), 'The reason')
  } finally {
    terminal.close()
  }
}

/** Who runs the command, for the audit trail. */
export function operator(): string {
  return process.env.OPS_OPERATOR ?? process.env.SUDO_USER ?? process.env.USER ?? 'unknown'
}
