import { execFile } from 'node:child_process'
import type { Shop } from './shop.js'

interface Answer {
  code: number
  output: string
}

/** Runs `npm run ops -- …` as an operator would, on the stores of a test's shop. */
export async function runOps(shop: Shop, ...args: string[]): Promise<Answer> {
  return await runProgram({ ...process.env, ...shop.stack.env, OPS_OPERATOR: 'olga' }, ...args)
}

/** Runs it with this environment and no other. */
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
