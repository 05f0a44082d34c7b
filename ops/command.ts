import { Command, Help } from 'commander'
import { exitCodes } from './exit-code.js'

/** What every command takes. */
export interface Output {
  json?: boolean
}

interface About {
  /** As one types them, without "ops". */
  examples: string[]
  /** What its exit codes mean, where that is other than for all. */
  exits?: Partial<typeof exitCodes>
}

/** A command: its arguments and options are added by whoever makes it, and `--json` and the end of its help are here. */
export function command(name: string, what: string, about: About): Command {
  return describe(new Command(name), what, about).option('--json', 'print JSON, for a script')
}

/** A command whose output is for a program already. */
export function plainCommand(name: string, what: string, about: About): Command {
  return describe(new Command(name), what, about)
}

/** A name with commands below it. */
export function group(name: string, what: string, commands: Command[]): Command {
  const made = new Command(name).description(what)
  for (const each of commands) made.addCommand(each)
  return made
}

function describe(made: Command, what: string, { examples, exits = {} }: About): Command {
  const codes = Object.entries({ ...exitCodes, ...exits }).filter(([code]) => code !== '3' || exits[3] !== undefined)
  const end = [
    examples.length === 1 ? 'Example:' : 'Examples:',
    ...examples.map(example => `  ops ${example}`),
    '',
    'Exit codes:',
    ...codes.map(([code, meaning]) => `  ${code}  ${meaning}`),
    ''
  ]
  return made.description(what).configureHelp({
    sortOptions: true,
    formatHelp: (command, help) => `${Help.prototype.formatHelp.call(help, command, help)}\n${end.join('\n')}`
  })
}
