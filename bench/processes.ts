import { readdirSync, readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { type BoundProcess, spawnBound } from '../local/bound-process.js'

const STARTS_WITHIN_MS = 30_000
/** USER_HZ of Linux, in which /proc tells CPU time: man 5 proc. */
const TICKS_PER_SECOND = 100

/** A process of Node that listens on `port`. */
export interface Server {
  port: number
  pid: number
  /** What it took until it answered, and the CPU time of that, in milliseconds. */
  start: { ms: number; cpuMs: number }
  stop(): Promise<void>
}

export interface ServerOptions {
  args: string[]
  cwd: string
  env: Record<string, string>
  port: number
  /** What answers once it is ready. */
  readyPath: string
}

/** Starts Node with these arguments and waits until it answers. */
export async function startServer({ args, cwd, env, port, readyPath }: ServerOptions): Promise<Server> {
  const begun = performance.now()
  const running = startProgram({ args, cwd, env })
  await answers(`http://127.0.0.1:${port}${readyPath}`, running).catch(async error => {
    await running.stop(0)
    throw error
  })
  const pid = pidOf(running)
  const start = { ms: performance.now() - begun, cpuMs: cpuMs(pid) }
  return { port, pid, start, stop: () => running.stop() }
}

/** The shell changes its folder, since the process that guards has none of its own to set. */
export function startProgram({ args, cwd, env }: Pick<ServerOptions, 'args' | 'cwd' | 'env'>): BoundProcess {
  const script = 'cd "$1" && shift && exec "$@"'
  return spawnBound({
    command: 'sh',
    args: ['-c', script, 'sh', cwd, process.execPath, ...args],
    stopSignal: 'TERM',
    env
  })
}

async function answers(url: string, running: BoundProcess): Promise<void> {
  let ended = false
  running.exited.then(() => {
    ended = true
  })
  for (const deadline = Date.now() + STARTS_WITHIN_MS; !ended && Date.now() < deadline; ) {
    const response = await fetch(url).catch(() => undefined)
    await response?.arrayBuffer()
    if (response?.ok) return
    await sleep(50)
  }
  throw new Error(`${url} did not answer. The process said:\n${running.output()}`)
}

export function pidOf({ pid, output }: Pick<BoundProcess, 'pid' | 'output'>): number {
  if (pid === undefined) throw new Error(`A process did not start: ${output()}`)
  return pid
}

/** CPU time of a process and all below it since they began, also of those that have ended, in milliseconds. */
export function cpuMs(pid: number): number {
  const all = readdirSync('/proc')
    .filter(name => /^\d+$/.test(name))
    .flatMap(name => readStat(Number(name)) ?? [])
  const below = (parent: number): number =>
    all.filter(each => each.parent === parent).reduce((sum, each) => sum + each.ticks + below(each.pid), 0)
  const own = all.find(each => each.pid === pid)?.ticks ?? 0
  return ((own + below(pid)) * 1_000) / TICKS_PER_SECOND
}

function readStat(pid: number): { pid: number; parent: number; ticks: number } | undefined {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'utf8')
    // After the name, which can hold anything: state, parent, … and from the fourteenth field utime, stime, cutime, cstime.
    const fields = text
      .slice(text.lastIndexOf(')') + 2)
      .split(' ')
      .map(Number)
    const [user = 0, system = 0, endedUser = 0, endedSystem = 0] = fields.slice(11, 15)
    return { pid, parent: fields[1] ?? 0, ticks: user + system + endedUser + endedSystem }
  } catch {
    return undefined
  }
}

/** Resident memory of a process and all below it, in megabytes. */
export function memoryMb(pid: number): number {
  const status = (name: number) => {
    try {
      return readFileSync(`/proc/${name}/status`, 'utf8')
    } catch {
      return ''
    }
  }
  const children = readdirSync('/proc').filter(name => /^\d+$/.test(name) && readStat(Number(name))?.parent === pid)
  const own = Number(/^VmRSS:\s+(\d+)/m.exec(status(pid))?.[1] ?? 0) / 1_024
  return children.reduce((sum, child) => sum + memoryMb(Number(child)), own)
}
