import { parseArgs } from 'node:util'
import { signSessionToken } from '../shared/identity/session-token.js'
import { environment } from './environment.js'
import { print } from './print.js'
import { required, UsageError } from './usage-error.js'

/** Prints a session token. For local use: a shop's own sign-in makes the tokens in production. */
export async function token(args: string[]): Promise<void> {
  if (process.env.NODE_ENV === 'production')
    throw new Error('Tokens are made by your sign-in in production; this command refuses there.')
  const { values } = parseArgs({
    args,
    options: { 'user-id': { type: 'string' }, email: { type: 'string' }, hours: { type: 'string', default: '24' } }
  })
  const secret = environment().AUTH_SECRET
  if (!secret) throw new Error('AUTH_SECRET is not set and no `npm start` is running here.')
  const customer = { userId: required(values['user-id'], '--user-id'), email: values.email ?? null }
  const hours = Number(values.hours)
  if (!(hours > 0)) throw new UsageError('--hours takes a number of hours.')
  print(await signSessionToken(customer, secret, Math.ceil(hours * 3_600)))
}
