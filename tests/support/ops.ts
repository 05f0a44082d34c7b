import { execFile } from 'node:child_process'
import type { Shop } from './shop.js'

/** Runs `npm run ops -- …` as an operator would, on the stores of a test's shop. */
export async function runOps(shop: Shop, ...args: string[]): Promise<{ code: number; output: string }> {
  return await new Promise(resolve => {
    const env = { ...process.env, ...shop.stack.env, OPS_OPERATOR: 'olga', NODE_OPTIONS: '' }
    execFile(
      process.execPath,
      [`${process.env.TILLWORKS_TEST_BUILD}/ops/main.js`, ...args],
      { env, maxBuffer: 2 ** 26 },
      (error, stdout, stderr) => {
        resolve({ code: error === null ? 0 : Number(error.code ?? 1), output: stdout + stderr })
      }
    )
  })
}
