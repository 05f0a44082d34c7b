import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { loadConfig } from '../shared/config.js'
import { createLogger } from '../shared/logger.js'
import { projectRoot } from '../shared/project-root.js'
import { openServices, type Services } from '../shared/services.js'

/** The settings: the environment, and outside production what a running `npm start` has told. */
export function environment(): NodeJS.ProcessEnv {
  if (process.env.NODE_ENV === 'production') return process.env
  const file = join(process.env.TILLWORKS_HOME ?? join(projectRoot, '.tillworks'), 'runtime.json')
  if (!existsSync(file)) return process.env
  const running: { env: Record<string, string> } = JSON.parse(readFileSync(file, 'utf8'))
  return { ...running.env, ...process.env }
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

/** Who runs the command, for the audit trail. */
export function operator(): string {
  return process.env.OPS_OPERATOR ?? process.env.SUDO_USER ?? process.env.USER ?? 'unknown'
}
