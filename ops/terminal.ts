import { AsyncLocalStorage } from 'node:async_hooks'
import type { Readable, Writable } from 'node:stream'

/** What a command reads, where it writes, and what it ends with. */
export interface Terminal {
  env: NodeJS.ProcessEnv
  stdin: Readable & { isTTY?: boolean }
  stdout: Writable & { isTTY?: boolean }
  stderr: Writable & { isTTY?: boolean }
  exitCode?: number | string | null
}

const current = new AsyncLocalStorage<Terminal>()

/** That of the command under way; the process's own outside of one. */
export function terminal(): Terminal {
  return current.getStore() ?? process
}

export async function at<T>(given: Terminal, work: () => Promise<T>): Promise<T> {
  return await current.run(given, work)
}
