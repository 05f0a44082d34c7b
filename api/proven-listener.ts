import { randomUUID } from 'node:crypto'
import { type Access, accessConfig } from '../shared/database/access.js'
import { BoundedClient } from '../shared/database/bounded-client.js'
import type { Queryable } from '../shared/database/database.js'
import { SECOND } from '../shared/duration.js'
import { messageOf } from '../shared/errors.js'
import type { Logger } from '../shared/logger.js'
import { withinTime } from '../shared/within-time.js'

/** Hears the notifications of one channel of PostgreSQL, and knows whether it does. */
export interface ProvenListener {
  /** False while notifications may be missed: then whoever waits for one has to look. */
  isSure(): boolean
  /** Proves that notifications are heard, unless one was heard lately; call it again and again while somebody waits. */
  prove(): void
  close(): Promise<void>
}

const CONNECT_WITHIN = 5 * SECOND
const PROOF_LASTS = SECOND
const DOUBT_AFTER = SECOND / 2
const LOST_AFTER = 2 * SECOND
const RECONNECT_AFTER = { first: SECOND / 2, longest: 15 * SECOND }

/** Where nothing can be heard: whoever waits has to look. */
export const deafListener: ProvenListener = {
  isSure: () => false,
  prove: () => undefined,
  close: async () => undefined
}

/** One connection and what is known of it. */
interface Listening {
  client: BoundedClient
  heardAt: number
  isProving: boolean
  onProof?: () => void
}

/**
 * A connection that listens says nothing of its own accord: one that is silently gone, or whose LISTEN a pooler in transaction
 * mode has forgotten, looks like a quiet channel. So it is proven: a notification that goes out through another connection has
 * to arrive here. `onHeard` gets every payload, `onChange` tells that `isSure` has changed.
 */
export function createProvenListener(options: {
  access: Access
  channel: string
  /** The connections through which proofs are sent. */
  db: Queryable
  log: Logger
  onHeard(payload: string | undefined): void
  onChange(): void
}): ProvenListener {
  const { access, channel, db, log, onHeard, onChange } = options
  const proof = `proof ${randomUUID()}`
  let current: Listening | undefined
  let sure = false
  let closed = false
  let lossesInARow = 0
  let reconnect: NodeJS.Timeout | undefined

  async function connect(): Promise<void> {
    const client = new BoundedClient({
      ...accessConfig(access, 'tillworks-watcher'),
      connectionTimeoutMillis: CONNECT_WITHIN,
      query_timeout: CONNECT_WITHIN
    })
    const listening: Listening = { client, heardAt: -Infinity, isProving: false }
    current = listening
    client.on('notification', ({ payload }) => heard(listening, payload))
    client.on('error', error => lost(listening, error))
    client.on('end', () => lost(listening, new Error('the connection ended')))
    try {
      await client.connect()
      await client.query(`LISTEN ${channel}`)
      await demandProof(listening)
    } catch (error) {
      lost(listening, error)
    }
  }

  function heard(listening: Listening, payload: string | undefined): void {
    if (current !== listening) return
    listening.heardAt = performance.now()
    lossesInARow = 0
    if (payload === proof) listening.onProof?.()
    if (!sure) {
      sure = true
      onChange()
    }
    onHeard(payload)
  }

  function doubt(reason: string): void {
    if (!sure) return
    sure = false
    log.warn(
      { reason, channel },
      'notifications of PostgreSQL are interrupted; waiting requests poll until they are back'
    )
    onChange()
  }

  function lost(listening: Listening, error: unknown): void {
    if (closed || current !== listening) return
    current = undefined
    doubt(messageOf(error))
    listening.client
      .end()
      .catch(reason => log.debug({ reason: messageOf(reason) }, 'a lost listener could not be ended'))
    const wait = Math.min(RECONNECT_AFTER.first * 2 ** lossesInARow++, RECONNECT_AFTER.longest)
    reconnect = setTimeout(connect, wait)
  }

  async function demandProof(listening: Listening): Promise<void> {
    listening.isProving = true
    let doubts: NodeJS.Timeout | undefined
    try {
      const arrival = new Promise<void>(resolve => {
        listening.onProof = resolve
      })
      const isSent = await db.query('SELECT pg_notify($1, $2)', [channel, proof]).then(
        () => true,
        error => {
          // It says nothing of the listener that another connection does not send.
          log.debug({ reason: messageOf(error) }, 'a notification that proves the listener could not be sent')
          return false
        }
      )
      if (!isSent) return
      // Not before: a pool that is busy, or a slow server, says nothing of the listener either.
      doubts = setTimeout(() => doubt('a notification of our own does not arrive'), DOUBT_AFTER)
      await withinTime(arrival, LOST_AFTER, 'a notification of our own did not arrive')
    } finally {
      listening.isProving = false
      clearTimeout(doubts)
    }
  }

  void connect()

  return {
    isSure: () => sure,
    prove() {
      const listening = current
      if (listening === undefined || listening.isProving || performance.now() - listening.heardAt < PROOF_LASTS) return
      demandProof(listening).catch(error => lost(listening, error))
    },
    async close() {
      closed = true
      clearTimeout(reconnect)
      await current?.client.end()
    }
  }
}
