import { jest } from '@jest/globals'
import { freePort } from '../local/free-port.js'
import { type CommandName, commandNames as names, needsQueue, settingsFor } from '../ops/needs.js'
import { commandsIn, createProgram, pathOf } from '../ops/program.js'
import { settingNames } from '../shared/config/config.js'
import { messageOf } from '../shared/errors.js'
import { ENOUGH } from './support/settings.js'

/** They open no store of their own, or look at whatever is set. */
const WITHOUT = ['completion', 'doctor', 'token']
const own = commandsIn(createProgram()).filter(command => command.commands.length === 0)
const environment = { ...process.env }

afterEach(() => {
  process.env = { ...environment }
  process.exitCode = undefined
  jest.restoreAllMocks()
})

/** The first example in the help of a command, the one with these words. */
function exampleOf(name: CommandName): string[] {
  const [path = ''] = name.split(' --')
  const help = own.find(command => pathOf(command) === path)?.helpInformation() ?? ''
  const examples = [...help.matchAll(/^ {2}ops (.+?)(?: (?:>>?|\|) .*)?$/gm)].map(([, example = '']) => example)
  const words = name.split(' ')
  const example = examples.find(each => words.every(word => each.split(' ').includes(word))) ?? ''
  return [...example.matchAll(/(?:[^\s"]|"[^"]*")+/g)].map(([word]) => word.replaceAll('"', ''))
}

/** What the command says with these settings and no others; NODE_ENV, because a running `npm start` would lend its own. */
async function said(name: CommandName, settings: Record<string, string>): Promise<string> {
  process.env = { PATH: environment.PATH, NODE_ENV: 'production', ...settings }
  let printed = ''
  for (const stream of [process.stdout, process.stderr])
    jest.spyOn(stream, 'write').mockImplementation(text => {
      printed += text
      return true
    })
  await createProgram()
    .parseAsync(exampleOf(name), { from: 'user' })
    .catch(error => {
      printed += messageOf(error)
    })
  return printed
}

function variablesIn(text: string): string[] {
  return settingNames.filter(name => new RegExp(`\\b${name}: `).test(text)).sort()
}

it('the table of what they ask for names every command', () => {
  const paths = own.map(pathOf).filter(path => !WITHOUT.includes(path))
  expect([...new Set(names.map(name => name.split(' --')[0]))].sort()).toEqual(paths.sort())
})

it.each(names)('ops %s says what it lacks, and asks for nothing else', async name => {
  const asked = settingsFor(name)
  const lacking = asked.filter(({ required }) => required).map(({ variable }) => variable)
  const store = needsQueue(name) ? ['REDIS_URL'] : []
  expect(lacking).toContain('DATABASE_URL')
  expect(variablesIn(await said(name, {}))).toEqual([...lacking, ...store].sort())
})

it.each(names)('ops %s runs with what it asks for, whatever else is wrong', async name => {
  const asked = settingsFor(name).map(({ variable }) => variable)
  const port = await freePort()
  const enough: Record<string, string> = {
    ...ENOUGH,
    DATABASE_URL: `postgresql://user:password@127.0.0.1:${port}/shop?sslmode=disable`,
    REDIS_URL: `redis://127.0.0.1:${port}`
  }
  const settings = settingNames
    .filter(variable => variable !== 'NODE_ENV')
    .map(variable => [variable, asked.includes(variable) ? (enough[variable] ?? '') : '?'])
  const output = await said(name, Object.fromEntries(settings))
  expect([variablesIn(output), output]).toEqual([[], expect.stringContaining('ECONNREFUSED')])
})

it('none but those that talk to Stripe ask for its key, and none for a password of the operators', () => {
  const asking = (variable: string) => names.filter(name => settingsFor(name).some(each => each.variable === variable))
  expect(asking('STRIPE_SECRET_KEY').sort()).toEqual(
    [
      'checkout expire',
      'ledger verify',
      'order accept',
      'order cancel',
      'order capture',
      'product import --from stripe',
      'reconcile'
    ].sort()
  )
  expect(['OPS_PASSWORD', 'STRIPE_WEBHOOK_SECRET', 'PAYMENT_SUCCESS_URL'].flatMap(asking)).toEqual([])
  expect(asking('AUTH_SECRET')).toEqual(['audit verify'])
})
