import { EventSourceParserStream } from 'eventsource-parser/stream'
import type { Tillworks } from './connection.js'
import type { components } from './generated/api.js'

export type CheckoutState = components['schemas']['CheckoutState']

export interface WatchOptions {
  signal?: AbortSignal
  /** Attempts without an event in between before it gives up; 10 by default. */
  attempts?: number
}

const ENDED: CheckoutState['status'][] = ['PAID', 'REJECTED', 'FAILED', 'EXPIRED']
/** The server sends a comment every 15 seconds: whoever hears nothing for so long has lost it. */
const SILENCE = 45_000
const FIRST_WAIT = 250
const LONGEST_WAIT = 10_000

/** Each state of a checkout until it has ended. Connects again after a lost connection; a refusal is thrown. */
export async function* watch(
  tillworks: Tillworks,
  checkoutId: string,
  { signal, attempts = 10 }: WatchOptions = {}
): AsyncGenerator<CheckoutState, void> {
  let seen = ''
  for (let failures = 0; failures < attempts; ) {
    try {
      for await (const text of events(tillworks, checkoutId, signal)) {
        failures = 0
        if (text === seen) continue
        seen = text
        const state = JSON.parse(text) as CheckoutState
        yield state
        if (ENDED.includes(state.status)) return
      }
    } catch (error) {
      if (signal?.aborted || error instanceof WatchRefused) throw error
    }
    await pause(Math.min(LONGEST_WAIT, FIRST_WAIT * 2 ** failures++), signal)
  }
  throw new Error(`The stream of checkout ${checkoutId} could not be read ${attempts} times.`)
}

/** An answer that another attempt would not change: no session, no such checkout. */
export class WatchRefused extends Error {
  constructor(
    readonly status: number,
    readonly problem: unknown
  ) {
    super(`The stream of the checkout was refused with ${status}.`)
  }
}

async function* events(tillworks: Tillworks, checkoutId: string, signal?: AbortSignal): AsyncGenerator<string> {
  const silence = new AbortController()
  const listen = () => setTimeout(() => silence.abort(new Error('The stream fell silent.')), SILENCE)
  let timer = listen()
  const heard = () => {
    clearTimeout(timer)
    timer = listen()
  }
  try {
    const response = await tillworks.open(`/api/stripe/checkout/${encodeURIComponent(checkoutId)}/events`, {
      headers: { Accept: 'text/event-stream' },
      signal: signal === undefined ? silence.signal : AbortSignal.any([signal, silence.signal])
    })
    if (!response.ok || response.body === null) {
      const problem: unknown = await response.json().catch(() => undefined)
      const passes = response.status === 429 || response.status >= 500
      throw passes
        ? new Error(`The stream was answered with ${response.status}.`)
        : new WatchRefused(response.status, problem)
    }
    const parsed = response.body
      .pipeThrough(new TextDecoderStream() as unknown as TransformStream<Uint8Array, string>)
      .pipeThrough(new EventSourceParserStream({ onComment: heard }))
    const reader = parsed.getReader()
    try {
      for (;;) {
        const { done, value } = await reader.read()
        if (done) return
        heard()
        if (value.event === 'status') yield value.data
      }
    } finally {
      await reader.cancel().catch(() => undefined)
    }
  } finally {
    clearTimeout(timer)
  }
}

async function pause(ms: number, signal?: AbortSignal): Promise<void> {
  signal?.throwIfAborted()
  await new Promise<void>(resolve => {
    const done = () => {
      clearTimeout(timer)
      signal?.removeEventListener('abort', done)
      resolve()
    }
    const timer = setTimeout(done, ms)
    signal?.addEventListener('abort', done)
  })
  signal?.throwIfAborted()
}
