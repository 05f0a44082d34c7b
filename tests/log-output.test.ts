import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))

/** A process that logs `lines` lines and ends in the same moment, however its log is read. */
async function endOf(end: string, lines: number, read: (output: NodeJS.ReadableStream) => void) {
  const script = `
    import { createLogger } from './shared/logger.ts'
    process.stdin.resume().once('data', () => {
      const log = createLogger({ level: 'info', production: true, name: 'ending' })
      for (let line = 1; line <= ${lines}; line++) log.info({ line }, 'x'.repeat(500))
      ${end}
    })`
  const child = spawn(process.execPath, ['--import', 'tsx', '--input-type=module', '-e', script], {
    cwd: root,
    env: { ...process.env, NODE_OPTIONS: '' },
    stdio: ['pipe', 'pipe', 'ignore']
  })
  const exited = once(child, 'exit')
  try {
    read(child.stdout)
    child.stdin.write('now\n')
    const [code] = await exited
    return code
  } finally {
    child.kill('SIGKILL')
  }
}

const ENDS = { 'an orderly end': ['process.exit(0)', 0], 'a crash': ["throw new Error('of our own')", 1] } as const

describe.each(Object.entries(ENDS))('%s', (_name, [end, code]) => {
  it.each([1, 5_000])('comes although nobody reads the log any more: %d lines', async lines => {
    expect(await endOf(end, lines, output => (output as NodeJS.ReadableStream & { destroy(): void }).destroy())).toBe(
      code
    )
  })

  it('comes although whoever reads the log reads no further', async () => {
    expect(await endOf(end, 5_000, output => output.pause())).toBe(code)
  })

  it('loses no line of a log that is read', async () => {
    let text = ''
    const read = (output: NodeJS.ReadableStream) => output.on('data', part => (text += part))
    expect(await endOf(end, 5_000, read)).toBe(code)
    expect(
      text
        .trimEnd()
        .split('\n')
        .map(line => JSON.parse(line).line)
    ).toEqual(Array.from({ length: 5_000 }, (_, at) => at + 1))
  })
})
