import { execFile } from 'node:child_process'
import { Readable, Writable } from 'node:stream'
import type { Shop } from './shop.js'

interface Answer {
  code: number
  output: string
}

/** Runs `ops …` as an operator would, on the stores of a test's shop: within this process, which has loaded what a program would have to. */
export async function runOps(shop: Shop, ...args: string[]): Promise<Answer> {
  const { runCommand } = await import('../../ops/run-command.js')
  const [stdout, stderr] = [new Sink(), new Sink()]
  const terminal = { env: environmentOf(shop), stdin: Readable.from([]), stdout, stderr, exitCode: 0 }
  await runCommand(args, terminal)
  return { code: terminal.exitCode, output: stdout.text + stderr.text }
}

/** Runs it as a program of its own. */
export async function runOpsProgram(shop: Shop, ...args: string[]): Promise<Answer> {
  return await runProgram(environmentOf(shop), ...args)
}

/** Runs it as a program of its own with this environment and no other. */
export async function runProgram(env: NodeJS.ProcessEnv, ...args: string[]): Promise<Answer> {
  return await new Promise(resolve => {
    execFile(
      process.execPath,
      [`${process.env.TILLWORKS_TEST_BUILD}/ops/main.js`, ...args],
      { env: { ...env, NODE_OPTIONS: '' }, maxBuffer: 2 ** 26 },
      (error, stdout, stderr) => {
        resolve({ code: error === null ? 0 : Number(error.code ?? 1), output: stdout + stderr })
      }
    )
  })
}

function environmentOf(shop: Shop): NodeJS.ProcessEnv {
  return { ...process.env, ...shop.stack.env, OPS_OPERATOR: 'olga' }
}

class Sink extends Writable {
  text = ''

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: () => void): void {
    this.text += chunk.toString()
    done()
  }
}
