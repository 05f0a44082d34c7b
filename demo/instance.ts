import { randomBytes, randomUUID } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Runtime, runtimeFile, stateFolder } from '../ops/state-folder.js'

export interface Secrets {
  authSecret: string
  opsPassword: string
  webhookSecret: string
  databasePassword: string
  notificationSecret: string
}

/** Made at the first start and kept, so that sessions and data outlive a restart. */
export function loadSecrets(): Secrets {
  mkdirSync(stateFolder, { recursive: true })
  const file = join(stateFolder, 'secrets.json')
  const kept: Partial<Secrets> = existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')) : {}
  const random = (bytes: number) => randomBytes(bytes).toString('base64url')
  const secrets: Secrets = {
    authSecret: random(36),
    opsPassword: random(12),
    webhookSecret: `whsec_${randomBytes(24).toString('hex')}`,
    databasePassword: randomBytes(16).toString('hex'),
    notificationSecret: `whsec_${randomBytes(32).toString('base64')}`,
    ...kept
  }
  writeFileSync(file, JSON.stringify(secrets, null, 2), { mode: 0o600 })
  return secrets
}

/** Throws when another start runs on this folder; a file that a crashed one left is no obstacle. */
export async function refuseSecondStart(): Promise<void> {
  if (!existsSync(runtimeFile)) return
  const runtime: Runtime = JSON.parse(readFileSync(runtimeFile, 'utf8'))
  const alive = await fetch(`http://127.0.0.1:${runtime.port}/demo/instance`, { signal: AbortSignal.timeout(1_000) })
    .then(async response => (await response.text()) === runtime.instance)
    .catch(() => false)
  if (alive) {
    throw new Error(
      `Tillworks already runs here: http://localhost:${runtime.port} (process ${runtime.pid}). Stop it first, or set TILLWORKS_HOME to another folder.`
    )
  }
  rmSync(runtimeFile, { force: true })
}

export const instance = randomUUID()

export function announce(port: number, env: Record<string, string>): void {
  const runtime: Runtime = { instance, pid: process.pid, port, env }
  writeFileSync(runtimeFile, JSON.stringify(runtime, null, 2), { mode: 0o600 })
}

export function withdraw(): void {
  rmSync(runtimeFile, { force: true })
}
