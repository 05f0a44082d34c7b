import { type Command, InvalidArgumentError } from 'commander'
import { SECOND } from '../shared/duration.js'
import { countUnderWay } from '../shared/statements/switches.js'
import { command, type Output } from './command.js'
import { withDatabase } from './environment.js'
import { FAILED } from './exit-code.js'
import { answer, print } from './print.js'
import { showProgress } from './progress.js'
import { terminal } from './terminal.js'

/** Waits until no row is under way, so that a deploy interrupts nothing. */
export function drain(): Command {
  return command('drain', 'Wait until nothing is under way, before a deploy.', {
    examples: ['drain --timeout 120'],
    exits: { 1: 'rows are still under way (they are safe), or it failed' }
  })
    .option('--timeout <seconds>', 'how long to wait', seconds, 60)
    .action(async (options: Output & { timeout: number }) => {
      await withDatabase('drain', async ({ db }) => {
        const progress = showProgress()
        const until = Date.now() + options.timeout * SECOND
        let left = await countUnderWay(db.pool)
        while (left > 0 && Date.now() <= until) {
          progress.show(`${left} rows are under way`)
          await new Promise(resolve => setTimeout(resolve, SECOND / 2))
          left = await countUnderWay(db.pool)
        }
        progress.clear()
        if (left > 0) terminal().exitCode = FAILED
        answer(options, { underWay: left }, () => view(left, options.timeout))
      })
    })
}

function view(left: number, timeout: number): void {
  if (left === 0) return print('Nothing is under way: stop the workers and deploy.')
  print(`${left} rows are still under way after ${timeout} seconds. They are safe: the new workers go on with them.`)
}

function seconds(given: string): number {
  const number = Number(given)
  if (!(number >= 0)) throw new InvalidArgumentError('It takes a number of seconds.')
  return number
}
