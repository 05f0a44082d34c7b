import type pg from 'pg'

const BOUND = 'SCRAM-SHA-256-PLUS'
const REFUSED = 'The server offers no channel binding, which channel_binding=require asks for'

/** Nothing is told to a server, or to whoever stands before it, that does not prove that the TLS is its own (RFC 5802). */
export function demandChannelBinding(connection: pg.Connection): void {
  let isOffered = false
  let isProven = false
  const refuse = () => {
    connection.stream.destroy()
    connection.emit('error', new Error(REFUSED))
  }
  connection.on('authenticationSASL', ({ mechanisms }: { mechanisms: string[] }) => {
    isOffered = mechanisms.includes(BOUND) && 'getPeerCertificate' in connection.stream
    if (!isOffered) refuse()
  })
  // The driver compares what it says, and fails by itself.
  connection.on('authenticationSASLFinal', () => {
    isProven = isOffered
  })
  connection.on('authenticationCleartextPassword', refuse)
  connection.on('authenticationMD5Password', refuse)
  connection.on('authenticationOk', () => {
    if (!isProven) refuse()
  })
}
