import { parseArgs } from 'node:util'
import { checkNames, type Examined, examine } from '../shared/doctor/examine.js'
import type { FindingState } from '../shared/doctor/finding.js'
import { environment } from './environment.js'
import { print, printJson } from './print.js'
import { showProgress } from './progress.js'
import { UsageError } from './usage-error.js'

const SIGNS: Record<FindingState, string> = { fine: '✓', should: '!', must: '✗', unseen: '-' }

/** Says of each thing that has to be right whether it is, or what to do. The exit code is 1 when something must be mended. */
export async function doctor(args: string[]): Promise<void> {
  const { values } = parseArgs({
    args,
    options: { json: { type: 'boolean', default: false }, 'webhook-url': { type: 'string' } }
  })
  const webhookUrl = values['webhook-url']
  if (webhookUrl !== undefined && !URL.canParse(webhookUrl))
    throw new UsageError('--webhook-url takes a URL such as https://pay.shop.example/api/stripe/webhook.')
  const examined = await examineVisibly(webhookUrl)
  if (count(examined, 'must') > 0) process.exitCode = 1
  if (values.json) return printJson({ ok: count(examined, 'must') === 0, checks: examined })
  const width = Math.max(...checkNames.map(name => name.length))
  for (const { check, findings } of examined) {
    for (const { state, text } of findings) print(`${SIGNS[state]} ${check.padEnd(width)}  ${text}`)
  }
  print(`\n${conclusion(examined)}`)
}

async function examineVisibly(webhookUrl: string | undefined): Promise<Examined[]> {
  const waiting = new Set(checkNames)
  const progress = showProgress()
  progress.show(`looking at ${waiting.size} things`)
  try {
    return await examine({ env: environment(), webhookUrl }, ({ check }) => {
      waiting.delete(check)
      progress.show(
        `${checkNames.length - waiting.size} of ${checkNames.length}, waiting for ${[...waiting].join(', ')}`
      )
    })
  } finally {
    progress.clear()
  }
}

function count(examined: Examined[], state: FindingState): number {
  return examined.flatMap(({ findings }) => findings).filter(finding => finding.state === state).length
}

function conclusion(examined: Examined[]): string {
  const parts = [
    [count(examined, 'must'), '✗ must be mended'],
    [count(examined, 'should'), '! should be looked at'],
    [count(examined, 'unseen'), '- could not be looked at']
  ] as const
  const said = parts.filter(([number]) => number > 0).map(([number, what]) => `${number} ${what}`)
  return said.length === 0 ? 'All is well.' : `${said.join(', ')}.`
}
