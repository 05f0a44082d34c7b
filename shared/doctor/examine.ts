import { SECOND } from '../duration.js'
import { TimeLimitError, withinTime } from '../within-time.js'
import type { Check } from './check.js'
import { checks } from './checks.js'
import { type Finding, must, Unseen } from './finding.js'
import { hiding } from './hiding.js'
import { reasonOf } from './reason.js'
import { openSubject, type Subject, type SubjectOptions } from './subject.js'

export interface Examined {
  check: string
  findings: Finding[]
}

export const checkNames: readonly string[] = checks.map(check => check.name)

/** Of one check, whatever it waits for. */
const LOOK_WITHIN = 12 * SECOND
const CLOSE_WITHIN = 3 * SECOND

/**
 * Looks at everything at once; the answers are in the order of the checks, whatever was away. `onDone` hears of each as it
 * ends. No finding holds the value of a secret.
 */
export async function examine(
  options: SubjectOptions,
  onDone: (examined: Examined) => void = () => undefined
): Promise<Examined[]> {
  const subject = openSubject(options)
  const hide = hiding(subject.settings.secrets)
  try {
    return await Promise.all(
      checks.map(async check => {
        const findings = (await look(check, subject)).map(({ state, text }) => ({ state, text: hide(text) }))
        const examined = { check: check.name, findings }
        onDone(examined)
        return examined
      })
    )
  } finally {
    await withinTime(subject.close(), CLOSE_WITHIN, 'closing took too long').catch(() => undefined)
  }
}

async function look(check: Check, subject: Subject): Promise<Finding[]> {
  const wrong = check.needs.filter(variable => subject.settings.wrong.has(variable))
  if (wrong.length > 0) return [unseen(`${wrong.join(', ')} ${wrong.length === 1 ? 'is' : 'are'} wrong`)]
  try {
    return await withinTime(check.run(subject), LOOK_WITHIN, `it did not answer in ${LOOK_WITHIN / SECOND} s`)
  } catch (error) {
    if (error instanceof Unseen) return [unseen(error.message)]
    return [must(error instanceof TimeLimitError ? error.message : `the look at it failed: ${reasonOf(error)}`)]
  }
}

function unseen(why: string): Finding {
  return { state: 'unseen', text: `not looked at: ${why}` }
}
