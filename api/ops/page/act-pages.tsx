import { randomUUID } from 'node:crypto'
import express, { type Request, type RequestHandler, type Response, Router } from 'express'
import { Problem } from '../../../shared/errors.js'
import { operatorOf } from '../../../shared/runtime/operator-access.js'
import type { Services } from '../../../shared/runtime/services.js'
import { errorsByPath } from '../../json-body.js'
import { requestId } from '../../request-context.js'
import type { AnyAct } from '../acts/act.js'
import { acts } from '../acts/acts.js'
import { perform } from '../acts/perform.js'
import { subjectOf } from '../subject.js'
import { frameOf, redirect, sendPage } from './answer.js'
import { ConfirmPage } from './confirm.js'
import { bodyOf, type FilledForm, type Form, forms } from './forms.js'
import { refusalOf } from './refusal.js'

export const formBody: RequestHandler = express.urlencoded({ extended: false, limit: 64 * 1024 })

/** For each act a page that asks whether it is meant, and does it. */
export function actPages(services: Services): Router {
  const router = Router()
  for (const act of acts) {
    const form = forms[act.path]
    if (form === undefined) continue
    const path = `/ops${act.path}`
    router.get(path, onlyOperators, async (request, response) => {
      const filled = await form.load(services, subjectOf(request))
      confirm(services, request, response, { form, filled, requestKey: randomUUID(), values: textsOf(request.query) })
    })
    router.post(path, formBody, async (request, response) => {
      const values = textsOf(request.body)
      const filled = await form.load(services, subjectOf(request))
      try {
        await submit(services, request, response, { act, filled, values })
      } catch (error) {
        const refusal = refusalOf(error)
        if (refusal === undefined) throw error
        // What was refused is not remembered: the same page may be sent again.
        const requestKey = values.requestKey ?? randomUUID()
        return confirm(services, request, response, { form, filled, requestKey, values, ...refusal })
      }
      redirect(services, response, `${filled.back}?done=${encodeURIComponent(act.path)}`)
    })
  }
  return router
}

async function submit(
  services: Services,
  request: Request,
  response: Response,
  { act, filled, values }: { act: AnyAct; filled: FilledForm; values: Record<string, string> }
): Promise<void> {
  const read = act.body.safeParse(bodyOf(filled.fields, values))
  if (!read.success) throw new Problem('invalid_request', { errors: errorsByPath(read.error) })
  await perform(services, {
    act,
    id: subjectOf(request),
    body: read.data,
    operator: operatorOf(response).name,
    requestId: requestId(request),
    key: values.requestKey
  })
}

interface Asked {
  form: Form
  filled: FilledForm
  requestKey: string
  values: Record<string, string>
  status?: number
  sentences?: string[]
}

function confirm(services: Services, request: Request, response: Response, asked: Asked): void {
  const { status, sentences = [], ...props } = asked
  const frame = frameOf(request, response, services)
  sendPage(response, <ConfirmPage frame={frame} {...props} refusals={sentences} />, status)
}

/** A viewer could not send what the page asks for. */
export const onlyOperators: RequestHandler = (_request, response, next) => {
  if (operatorOf(response).role === 'operator') return next()
  response.status(403).type('text/plain').send('A viewer can look and not change. Sign in with OPS_USER.\n')
}

export function textsOf(given: unknown): Record<string, string> {
  const entries = Object.entries((given ?? {}) as Record<string, unknown>)
  return Object.fromEntries(entries.filter((entry): entry is [string, string] => typeof entry[1] === 'string'))
}
