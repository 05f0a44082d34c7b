import { Problem, problems } from '../../../shared/errors.js'
import { Refused, refusals } from '../../../shared/refused.js'
import { stripeProblem } from '../refused-acts.js'

/** What an operator is told of an error, with its status. */
export interface Refusal {
  status: number
  sentences: string[]
}

/** Undefined for an error that an operator can do nothing about. */
export function refusalOf(error: unknown): Refusal | undefined {
  if (error instanceof Refused) return { status: refusals[error.code], sentences: [error.message] }
  const problem = error instanceof Problem ? error : stripeProblem(error)
  if (problem === undefined) return undefined
  const { status, error: title } = problems[problem.code]
  const { detail = title, errors } = problem.extras
  return {
    status,
    sentences: errors === undefined ? [detail] : Object.entries(errors).map(([name, text]) => `${name}: ${text}`)
  }
}
