import type pg from 'pg'

/** What target_session_attrs asks for; with one server to choose from, prefer-standby takes any. */
export type SessionAttributes = 'any' | 'read-write' | 'primary' | 'read-only' | 'standby' | 'prefer-standby'

type Refused = (state: { isStandby: boolean; isReadOnly: boolean }) => boolean

const REFUSED: Readonly<Partial<Record<SessionAttributes, Refused>>> = {
  'read-write': ({ isStandby, isReadOnly }) => isStandby || isReadOnly,
  primary: ({ isStandby }) => isStandby,
  'read-only': ({ isStandby, isReadOnly }) => !isStandby && !isReadOnly,
  standby: ({ isStandby }) => !isStandby
}

/**
 * Takes no connection to a server that is another than asked for, as libpq. A server tells what it is since PostgreSQL 14; of
 * one that does not, and behind poolers that do not pass it on, nothing is known.
 * https://www.postgresql.org/docs/18/protocol-flow.html#PROTOCOL-ASYNC
 */
export function demandSession(connection: pg.Connection, asked: SessionAttributes): void {
  const isRefused = REFUSED[asked]
  if (isRefused === undefined) return
  const told = new Map<string, string>()
  connection.on('parameterStatus', ({ parameterName, parameterValue }: ParameterStatus) => {
    told.set(parameterName, parameterValue)
  })
  connection.once('backendKeyData', () => {
    const standby = told.get('in_hot_standby')
    if (standby === undefined) return
    const isReadOnly = told.get('default_transaction_read_only') === 'on'
    if (!isRefused({ isStandby: standby === 'on', isReadOnly })) return
    connection.stream.destroy()
    connection.emit(
      'error',
      new Error(
        `The server is ${standby === 'on' ? 'a standby' : isReadOnly ? 'read only' : 'a primary'}, not what target_session_attrs=${asked} asks for`
      )
    )
  })
}

interface ParameterStatus {
  parameterName: string
  parameterValue: string
}
