import type { Command } from 'commander'
import { exitCodes } from '../ops/exit-code.js'
import { commandNames, needsQueue, settingsFor } from '../ops/needs.js'
import { commandsIn, createProgram, pathOf } from '../ops/program.js'

const WIDTH = 120

/** docs/commands.md */
export function commandsPage(): string {
  const program = createProgram()
  const commands = commandsIn(program).filter(each => each !== program)
  const own = commands.filter(each => each.commands.length === 0)
  return [
    '# Commands',
    '',
    'Generated from `ops/` by `npm run docs:commands`; a test fails when it is stale. This is what `--help` says of each.',
    '',
    'Run one as `npm run ops -- order show ID` (in the image: `node dist/ops/main.js order show ID`); the pages of these docs',
    'write `ops order show ID`, which works with `ops() { npm run -s ops -- "$@"; }` in a shell. It uses the settings of the',
    'environment, and outside production those of a running `npm start`; what has to be set for it stands beside it below, and',
    'what else is missing or wrong is none of its business (`doctor` looks at all). Who ran it (`OPS_OPERATOR`, else the login',
    'name) is in the audit trail of what it changes.',
    '',
    'Without `--json` a command shows what it found to a person: local times (`TZ`), amounts in major units. With it, it prints',
    'one JSON value: times in UTC, amounts in minor units unless the field is a decimal text. Fields may be added, none is',
    'renamed. Progress and errors go to the standard error, progress only to a terminal.',
    '',
    '| exit code | what |',
    '|---|---|',
    ...Object.entries(exitCodes).map(([code, meaning]) => `| ${code} | ${meaning} |`),
    '',
    '| command | what | has to be set |',
    '|---|---|---|',
    ...own.map(each => `| [\`${pathOf(each)}\`](#${anchorOf(each)}) | ${each.description()} | ${toBeSet(each)} |`),
    '',
    ...own.flatMap(section)
  ].join('\n')
}

/** What a command cannot do without. */
function toBeSet(command: Command): string {
  const names = commandNames.filter(name => name.split(' --')[0] === pathOf(command))
  return names
    .map(name => {
      const [, option] = name.split(' --')
      const variables = settingsFor(name).flatMap(({ required, variable }) => (required ? [`\`${variable}\``] : []))
      if (needsQueue(name)) variables.push('`REDIS_URL` or `QUEUE_ENGINE=postgres`')
      return `${option === undefined ? '' : `with \`--${option}\` `}${variables.join(', ')}`
    })
    .join('; ')
}

function section(command: Command): string[] {
  command.configureOutput({ getOutHelpWidth: () => WIDTH, getOutHasColors: () => false })
  return [`## ${pathOf(command)}`, '', '```', command.helpInformation().trimEnd(), '```', '']
}

function anchorOf(command: Command): string {
  return pathOf(command).replaceAll(' ', '-')
}
