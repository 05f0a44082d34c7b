import { groups, settingsOf } from '../shared/config/groups.js'
import type { Group, Setting } from '../shared/config/setting.js'

/** What other programs read than those that loadConfig starts. */
const APART = [
  [
    'TILLWORKS_HOME',
    '`.tillworks`',
    'where `npm start` keeps its data, and `ops audit verify` its bookmark (unset: the temporary folder)'
  ],
  ['OPS_OPERATOR', "the login's name", 'who the trail says has run a command of `ops`'],
  ['POSTGRES_PASSWORD', '', 'the password of the database that docker compose starts'],
  ['GRAFANA_PASSWORD', '', 'the password of `admin` in the Grafana that `docker compose --profile monitoring` starts']
] as const

/** docs/settings.md */
export function settingsPage(): string {
  return [
    '# Settings',
    '',
    'Generated from `shared/config/groups/` by `npm run docs:settings`; a test fails when it is stale.',
    '',
    '`npm start` needs none and uses each that is set. A variable that is set to nothing counts as unset. Amounts are in major',
    'units. A secret is never shown, and can come from a file: `STRIPE_SECRET_KEY_FILE` and so on.',
    '',
    ...Object.values(groups).flatMap(section),
    '## Read by other programs',
    '',
    '| variable | default | what |',
    '|---|---|---|',
    ...APART.map(([variable, fallback, doc]) => `| \`${variable}\` | ${fallback} | ${doc} |`),
    ''
  ].join('\n')
}

function section(group: Group): string[] {
  return [
    `## ${group.title}`,
    '',
    '| variable | takes | default | what |',
    '|---|---|---|---|',
    ...settingsOf(group).map(row),
    ''
  ]
}

function row(setting: Setting): string {
  const variable = `\`${setting.variable}\`${setting.secret ? ' (secret)' : ''}`
  return `| ${variable} | ${plain(setting.takes)} | ${fallback(setting)} | ${setting.doc} |`
}

function fallback({ required, default: value, npmStart }: Setting): string {
  const usual = required ? 'required' : value ? `\`${value}\`` : ''
  if (npmStart === undefined) return usual
  const started = typeof npmStart === 'object' ? `\`${npmStart.value}\`` : npmStart
  return `${usual}${usual === '' ? '' : '; '}\`npm start\`: ${started}`
}

/** So that Markdown shows the characters themselves. */
function plain(text: string): string {
  return text.replace(/[\\*<|]/g, '\\$&')
}
