import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { z } from 'zod'
import { projectRoot } from '../../shared/project-root.js'

export interface Load {
  port: number
  script: 'deliveries' | 'checkouts'
  args: string[]
  connections: number
  seconds: number
  /** The mean pause of a connection between two requests, in milliseconds. */
  delayMs?: number
}

/** What wrk has measured. */
export interface Loaded {
  requests: number
  /** A second. */
  rate: number
  p50Ms: number
  p99Ms: number
}

const result = z.object({
  requests: z.number(),
  microseconds: z.number(),
  p50: z.number(),
  p99: z.number(),
  failed: z.number()
})

/** Loads a server with wrk (https://github.com/wg/wrk). Throws when an answer was none of 2xx. */
export async function load({ port, script, args, connections, seconds, delayMs = 0 }: Load): Promise<Loaded> {
  const output = await run(
    'wrk',
    [
      '--threads=1',
      `--connections=${connections}`,
      `--duration=${seconds}s`,
      '--timeout=30s',
      `--script=${join(projectRoot, 'bench/load', `${script}.lua`)}`,
      `http://127.0.0.1:${port}`,
      '--',
      ...args
    ],
    { DELAY_MS: String(delayMs) }
  )
  const line = /^RESULT (.*)$/m.exec(output)?.[1]
  if (line === undefined) throw new Error(`wrk reported nothing:\n${output}`)
  const { requests, microseconds, p50, p99, failed } = result.parse(JSON.parse(line))
  if (failed > 0) throw new Error(`${failed} of ${requests} requests failed`)
  return { requests, rate: (requests * 1e6) / microseconds, p50Ms: p50 / 1_000, p99Ms: p99 / 1_000 }
}

function run(command: string, args: string[], env: Record<string, string>): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, ...env } })
    let output = ''
    for (const stream of [child.stdout, child.stderr]) {
      stream.on('data', chunk => {
        output += chunk
      })
    }
    child.once('error', cause =>
      reject(new Error(`${command} cannot be run; install the Debian package ${command}`, { cause }))
    )
    child.once('exit', code =>
      code === 0 ? resolve(output) : reject(new Error(`${command} ended with ${code}:\n${output}`))
    )
  })
}
