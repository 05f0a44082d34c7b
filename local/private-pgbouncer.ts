import { chownSync, mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'
import { spawnBound } from './bound-process.js'
import { unprivilegedUser } from './embedded-postgres.js'
import { freePort } from './free-port.js'

export interface PrivatePgBouncer {
  /** The connection string of a database of the server, through the pooler. */
  url(database: string): string
  stop(): Promise<void>
}

/** Debian puts it where a user's PATH does not lead. */
const PATH = `${process.env.PATH}:/usr/sbin`

/** Starts the `pgbouncer` of this machine in front of a server, otherwise as it comes; undefined without one. */
export async function startPrivatePgBouncer(
  server: string,
  {
    mode = 'transaction',
    size = 6,
    more = []
  }: { mode?: 'transaction' | 'session'; size?: number; more?: string[] } = {}
): Promise<PrivatePgBouncer | undefined> {
  const { hostname, port, username, password } = new URL(server)
  const own = await freePort()
  const folder = mkdtempSync(join(tmpdir(), 'tillworks-pgbouncer-'))
  const file = join(folder, 'pgbouncer.ini')
  const lines = [
    '[databases]',
    `* = host=${hostname} port=${port} user=${username} password=${decodeURIComponent(password)}`,
    '[pgbouncer]',
    'listen_addr = 127.0.0.1',
    `listen_port = ${own}`,
    'unix_socket_dir =',
    'auth_type = any',
    `pool_mode = ${mode}`,
    `default_pool_size = ${size}`,
    'max_client_conn = 500',
    ...more
  ]
  writeFileSync(file, `${lines.join('\n')}\n`)
  // As PostgreSQL, it refuses to run as root; whoever it runs as reads the folder and removes it.
  const user = unprivilegedUser()
  if (user !== undefined) for (const path of [folder, file]) chownSync(path, user.uid, user.gid)
  const bouncer = spawnBound({
    command: 'pgbouncer',
    args: ['-q', file],
    stopSignal: 'INT',
    env: { PATH },
    user,
    removeAfter: folder
  })
  const url = (database: string) => `postgresql://${username}:any@127.0.0.1:${own}/${database}`
  if (await answers(url('postgres'))) return { url, stop: () => bouncer.stop() }
  await bouncer.stop(0)
  return undefined
}

async function answers(connectionString: string): Promise<boolean> {
  for (let tries = 0; tries < 80; tries++) {
    const client = new pg.Client({ connectionString, connectionTimeoutMillis: 1_000 })
    client.on('error', () => undefined)
    const isThere = await client.connect().then(
      () => true,
      () => false
    )
    if (isThere) {
      await client.end()
      return true
    }
    await sleep(25)
  }
  return false
}
