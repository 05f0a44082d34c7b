import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'

const root = fileURLToPath(new URL('..', import.meta.url))
/** Within the project, where packages are found; removed with all that the tests have built. */
const programs = join(root, process.env.TILLWORKS_TEST_BUILD ?? '', 'log-output')

const ENDS = {
  'an orderly end': { end: 'process.exit(0)', code: 0 },
  'a crash': { end: "throw new Error('of our own')", code: 1 }
}
const LINES = 2_000

/** Logs more than a pipe holds, and ends in the same moment. As it is in production: without a loader. */
async function writeProgram(name: string, end: string, lines: number): Promise<string> {
  const outfile = join(programs, `${name}.mjs`)
  const contents = `
    import { createLogger } from './shared/logger.ts'
    process.stdin.resume().once('data', () => {
      const log = createLogger({ level: 'info', production: true, name: 'ending' })
      for (let line = 1; line <= ${lines}; line++) log.info({ line }, 'x'.repeat(500))
      ${end}
    })`
  await build({
    stdin: { contents, resolveDir: root, loader: 'ts' },
    outfile,
    bundle: true,
    packages: 'external',
    platform: 'node',
    format: 'esm'
  })
  return outfile
}
afterAll(() => rmSync(programs, { recursive: true, force: true }))

async function endOf(program: string, event: 'exit' | 'close', read: (output: ChildProcess) => void) {
  const child = spawn(process.execPath, [program], { cwd: root, stdio: ['pipe', 'pipe', 'ignore'] })
  child.stdin.on('error', () => undefined)
  const ended = once(child, event)
  try {
    read(child)
    child.stdin.write('now\n')
    const [code] = await ended
    return code
  } finally {
    child.kill('SIGKILL')
    child.stdout.destroy()
  }
}

describe.each(Object.entries(ENDS))('%s', (name, { end, code }) => {
  let program: string
  beforeAll(async () => {
    program = await writeProgram(name.replaceAll(' ', '-'), end, LINES)
  })

  it('comes although nobody reads the log any more', async () => {
    expect(await endOf(program, 'exit', ({ stdout }) => stdout?.destroy())).toBe(code)
  })

  it('comes although whoever reads the log reads no further', async () => {
    expect(await endOf(program, 'exit', ({ stdout }) => stdout?.pause())).toBe(code)
  })

  it('loses no line of a log that is read', async () => {
    let text = ''
    const read = ({ stdout }: ChildProcess) => stdout?.on('data', part => (text += part))
    expect(await endOf(program, 'close', read)).toBe(code)
    const lines = text
      .trimEnd()
      .split('\n')
      .map(line => JSON.parse(line).line)
    expect(lines).toEqual(Array.from({ length: LINES }, (_, at) => at + 1))
  })
})
