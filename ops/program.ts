import { Command } from 'commander'
import { attention, resolve } from './alerts.js'
import { audit } from './audit.js'
import { checkout } from './checkout.js'
import { completion } from './completion.js'
import { customer } from './customer.js'
import { doctor } from './doctor.js'
import { drain } from './drain.js'
import { events } from './events.js'
import { exitCodes } from './exit-code.js'
import { fraud } from './fraud.js'
import { ledger } from './ledger.js'
import { maintenance } from './maintenance.js'
import { notifications } from './notifications.js'
import { order } from './order.js'
import { privacy } from './privacy.js'
import { product } from './product.js'
import { reconcile } from './reconcile.js'
import { report } from './report.js'
import { shop } from './shop.js'
import { terminal } from './terminal.js'
import { token } from './token.js'

const END = `
Run it as: npm run ops -- COMMAND (in the image: node dist/ops/main.js COMMAND)
It uses the settings of the environment, and outside production those of a running \`npm start\`.

Exit codes:
${Object.entries(exitCodes)
  .map(([code, meaning]) => `  ${code}  ${meaning}`)
  .join('\n')}
`

/** Everything that an operator can do: `ops order refund …`. Throws a CommanderError where commander would end the process. */
export function createProgram(): Command {
  const program = new Command('ops').description('Look at payments, repair them, run the shop.')
  program.helpCommand('help [command]', 'show the help of a command')
  const parts: [string, Command[]][] = [
    ['Look:', [attention(), order(), checkout(), events(), notifications(), fraud(), report()]],
    ['Repair:', [resolve(), reconcile(), ledger(), audit(), customer(), privacy()]],
    ['Sell:', [product()]],
    ['Run:', [doctor(), maintenance(), drain(), shop(), token(), completion(() => program)]]
  ]
  for (const [heading, commands] of parts) {
    program.commandsGroup(heading)
    for (const each of commands) program.addCommand(each)
  }
  program.addHelpText('after', END)
  for (const each of commandsIn(program)) prepare(each)
  return program
}

/** A command and all below it, in the order in which help lists them. */
export function commandsIn(command: Command): Command[] {
  return [command, ...command.commands.flatMap(commandsIn)]
}

/** "order refund"; "" for the program itself. */
export function pathOf(command: Command): string {
  const { parent } = command
  return parent === null ? '' : [pathOf(parent), command.name()].filter(name => name !== '').join(' ')
}

function prepare(command: Command): void {
  const path = pathOf(command)
  command.exitOverride().showHelpAfterError(`See: npm run ops -- ${path === '' ? 'help' : `${path} --help`}`)
  command.helpOption('-h, --help', 'show this')
  command.configureOutput({
    writeOut: text => terminal().stdout.write(text),
    writeErr: text => terminal().stderr.write(text)
  })
}
