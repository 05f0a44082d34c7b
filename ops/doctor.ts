import { type Command, InvalidArgumentError } from 'commander'
import { checkNames, type Examined, examine } from '../shared/doctor/examine.js'
import type { FindingState } from '../shared/doctor/finding.js'
import { command, type Output } from './command.js'
import { environment } from './environment.js'
import { FAILED } from './exit-code.js'
import { answer, print } from './print.js'
import { showProgress } from './progress.js'
import { terminal } from './terminal.js'

const SIGNS: Record<FindingState, string> = { fine: '✓', should: '!', must: '✗', unseen: '-' }

/** Says of each thing that has to be right whether it is, or what to do. */
export function doctor(): Command {
  return command('doctor', 'Before going live: look at the settings, the stores, Stripe, the clocks, the shop.', {
    examples: ['doctor', 'doctor --webhook-url https://pay.shop.example/api/stripe/webhook'],
    exits: { 0: 'nothing has to be mended', 1: 'something has to be mended' }
  })
    .option('--webhook-url <url>', 'compare this endpoint, instead of those that look like ours', url)
    .action(async (options: Output & { webhookUrl?: string }) => {
      const checks = await examineVisibly(options.webhookUrl)
      const ok = count(checks, 'must') === 0
      if (!ok) terminal().exitCode = FAILED
      answer(options, { ok, checks }, view)
    })
}

function url(given: string): string {
  if (URL.canParse(given)) return given
  throw new InvalidArgumentError('It takes a URL such as https://pay.shop.example/api/stripe/webhook.')
}

function view({ checks }: { checks: Examined[] }): void {
  const width = Math.max(...checkNames.map(name => name.length))
  for (const { check, findings } of checks) {
    for (const { state, text } of findings) print(`${SIGNS[state]} ${check.padEnd(width)}  ${text}`)
  }
  print(`\n${conclusion(checks)}`)
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
