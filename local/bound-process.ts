import { type ChildProcess, spawn } from 'node:child_process'

/** A server that runs as a child and cannot outlive this process, not even when this process gets SIGKILL. */
export interface BoundProcess {
  /** Of the shell that guards the server, its parent; undefined when it could not start. */
  pid: number | undefined
  /** Resolves with the exit code once the server has ended. */
  exited: Promise<number>
  /** The last lines that it wrote, for an error message. */
  output(): string
  /** Asks it to stop with its signal; after `capMs` milliseconds it is killed. */
  stop(capMs?: number): Promise<void>
}

export interface BoundProcessOptions {
  command: string
  args: string[]
  stopSignal: 'INT' | 'TERM'
  user?: { uid: number; gid: number }
  env?: NodeJS.ProcessEnv
  /** A folder that is removed after the server has ended, even when this process is gone by then. */
  removeAfter?: string
}

const KEPT_OUTPUT = 8_000

// The shell waits for its standard input to end, which happens when we close it or die. It runs in a process group of
// its own, so that a Ctrl-C in the terminal reaches us alone and the shutdown keeps its order.
const GUARD = `
exec 3<&0
"$@" </dev/null 3<&- &
server=$!
( read -r _ <&3; kill -s "$STOP_SIGNAL" "$server" 2>/dev/null ) &
watcher=$!
exec 3<&-
wait "$server"
code=$?
kill "$watcher" 2>/dev/null
[ -z "$REMOVE_AFTER" ] || rm -rf -- "$REMOVE_AFTER"
exit "$code"
`

export function spawnBound(options: BoundProcessOptions): BoundProcess {
  const child = spawn('sh', ['-c', GUARD, 'sh', options.command, ...options.args], {
    ...options.user,
    detached: true,
    stdio: ['pipe', 'pipe', 'pipe'],
    env: {
      ...process.env,
      ...options.env,
      STOP_SIGNAL: options.stopSignal,
      REMOVE_AFTER: options.removeAfter ?? ''
    }
  })
  let output = ''
  const keep = (chunk: Buffer) => {
    output = (output + chunk.toString()).slice(-KEPT_OUTPUT)
  }
  child.stdout.on('data', keep)
  child.stderr.on('data', keep)
  child.stdin.on('error', () => child.stdin.destroy())

  const exited = new Promise<number>(resolve => {
    child.once('error', error => {
      output += String(error)
      resolve(127)
    })
    child.once('exit', code => resolve(code ?? 1))
  })
  return { pid: child.pid, exited, output: () => output, stop: capMs => stop(child, exited, capMs ?? 10_000) }
}

async function stop(child: ChildProcess, exited: Promise<number>, capMs: number): Promise<void> {
  child.stdin?.end()
  const cap = setTimeout(() => killGroup(child), capMs)
  await exited
  clearTimeout(cap)
}

function killGroup(child: ChildProcess): void {
  if (child.pid === undefined) return
  try {
    process.kill(-child.pid, 'SIGKILL')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
  }
}
