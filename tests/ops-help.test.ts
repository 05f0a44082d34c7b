import { execFileSync, spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type Command, CommanderError } from 'commander'
import fc from 'fast-check'
import { commandsPage } from '../docs/commands-page.js'
import { commandsIn, createProgram, pathOf } from '../ops/program.js'
import { runProgram } from './support/ops.js'

const program = createProgram()
const all = commandsIn(program)
const own = all.filter(command => command.commands.length === 0)

/** The words of an example, as a shell takes them apart, without what it does with the output. */
function wordsOf(example: string): string[] {
  const [typed = ''] = example.trim().split(/ (?:>>?|\|) /)
  return [...typed.matchAll(/(?:[^\s"]|"[^"]*")+/g)].map(([word]) => word.replaceAll('"', ''))
}

/** Parses as the program does, without doing anything; what it was told, and what it printed. */
async function parsed(words: string[]) {
  const fresh = createProgram()
  const told = { ran: '', printed: '', code: 0 }
  const say = (text: string) => {
    told.printed += text
  }
  for (const command of commandsIn(fresh)) {
    command.configureOutput({ writeErr: say, writeOut: () => undefined })
    if (command.commands.length === 0)
      command.action(() => {
        told.ran = pathOf(command)
      })
  }
  await fresh.parseAsync(words, { from: 'user' }).catch(error => {
    if (!(error instanceof CommanderError)) throw error
    told.code = error.exitCode
  })
  return told
}

describe.each(own.map(command => [pathOf(command), command] as const))('ops %s --help', (path, command) => {
  const help = command.helpInformation()

  it('tells its arguments, options and exit codes', () => {
    expect(help).toContain(`Usage: ops ${path}`)
    expect(command.description()).toMatch(/[.)]$/)
    for (const each of [...command.registeredArguments, ...command.options]) expect(each.description).not.toBe('')
    for (const { flags } of command.options) expect(help).toContain(flags)
    for (const code of [0, 1, 2]) expect(help).toMatch(new RegExp(`^ {2}${code} {2}\\w`, 'm'))
  })

  it('has examples that are right', async () => {
    const examples = [...help.matchAll(/^ {2}ops (.+)$/gm)].map(([, example = '']) => example)
    expect(examples).not.toEqual([])
    for (const example of examples) expect(await parsed(wordsOf(example))).toMatchObject({ ran: path, code: 0 })
  })

  it('has --json, unless it prints a script', () => {
    expect(command.options.some(({ long }) => long === '--json')).toBe(path !== 'completion')
  })
})

it('ends with 2 and names what was meant, whatever letter is missing', async () => {
  const named = all.filter(command => command !== program && command.name().length > 4)
  await fc.assert(
    fc.asyncProperty(fc.constantFrom(...named), fc.nat(), async (command, place) => {
      const name = command.name()
      const at = place % name.length
      const typo = name.slice(0, at) + name.slice(at + 1)
      const before = pathOf(command).split(' ').slice(0, -1)
      const { ran, printed } = await parsed([...before, typo])
      expect([ran, printed]).toEqual([
        '',
        expect.stringMatching(new RegExp(`unknown command '${typo}'[\\s\\S]*${name}`))
      ])
    }),
    { numRuns: process.env.CI === 'true' ? 40 : 20 }
  )
})

it('ends with 0 after help and with 2 after what it does not understand, and says where help is', async () => {
  const env = { PATH: process.env.PATH }
  const cases: [string[], number, RegExp][] = [
    [['order', 'refund', '--help'], 0, /--restock <goods>[\s\S]*Exit codes:/],
    [[], 0, /Run it as: npm run ops -- COMMAND/],
    [['order', 'refnd'], 2, /Did you mean refund\?[\s\S]*See: npm run ops -- order --help/],
    [['events', 'list', '--statu', 'dead'], 2, /Did you mean --status\?/],
    [['events', 'list', '--status', 'lost'], 2, /It takes RECEIVED, PROCESSED, IGNORED, DEAD, RESOLVED\./],
    [['order', 'show'], 2, /missing required argument 'order'/],
    [['checkout', 'expire', 'x', '--reason', ' '], 2, /It must not be empty/]
  ]
  const answers = await Promise.all(cases.map(([args]) => runProgram(env, ...args)))
  for (const [index, [, code, output]] of cases.entries())
    expect(answers[index]).toEqual({ code, output: expect.stringMatching(output) })
})

it('is described in docs/commands.md: npm run docs:commands', () => {
  expect(readFileSync(new URL('../docs/commands.md', import.meta.url), 'utf8')).toBe(commandsPage())
})

describe('completion', () => {
  const folder = mkdtempSync(join(tmpdir(), 'ops-completion-'))
  afterAll(() => rmSync(folder, { recursive: true }))

  const optionsOf = (command: Command) => [...command.options.map(({ long }) => long ?? ''), '--help'].sort()
  /** What is typed, and the words that have to be offered. */
  const cases: [string, string[]][] = [
    ...all.flatMap((command): [string, string[]][] => [[`${pathOf(command)} --`.trim(), optionsOf(command)]]),
    ...all
      .filter(command => command.commands.length > 0)
      .map((command): [string, string[]] => [
        `${pathOf(command)} `.trimStart(),
        [...command.commands.map(each => each.name()), 'help'].sort()
      ]),
    ['order re', ['refund']],
    ['events list --status d', ['dead']],
    ['events list --limit 5 --status ', ['dead', 'ignored', 'processed', 'received', 'resolved']],
    ['completion ', ['bash', 'fish', 'zsh']]
  ]
  /** As the shell itself answers. */
  function offered(shell: string): string[][] {
    const script = join(folder, shell)
    const ops = `${process.env.TILLWORKS_TEST_BUILD}/ops/main.js`
    writeFileSync(script, execFileSync(process.execPath, [ops, 'completion', shell]))
    const ask = fileURLToPath(new URL(`support/completion/ask.${shell}`, import.meta.url))
    const input = cases.map(([line]) => `ops ${line}\n`).join('')
    const output = execFileSync(shell, [ask, script], { encoding: 'utf8', input })
    return output
      .split(/^=\n/m)
      .slice(0, -1)
      .map(words =>
        words
          .split('\n')
          .filter(word => word !== '')
          .sort()
      )
  }

  /** In CI all of them; elsewhere those that are there. */
  const shells = ['bash', 'zsh', 'fish'].filter(
    shell => process.env.CI === 'true' || spawnSync(shell, ['-c', 'true']).status === 0
  )

  it.each(shells)('offers in %s what there is', shell => {
    const told = offered(shell)
    for (const [index, [line, words]] of cases.entries()) expect([line, told[index]]).toEqual([line, words])
  })
})
