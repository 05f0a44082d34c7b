import type { Command } from 'commander'
import { signSessionToken } from '../shared/identity/session-token.js'
import { positive, text } from './arguments.js'
import { command, type Output } from './command.js'
import { environment } from './environment.js'
import { answer, print } from './print.js'
import { terminal } from './terminal.js'

/** For local use: a shop's own sign-in makes the tokens in production. */
export function token(): Command {
  return command('token', 'Print a session token for local use; refused in production.', {
    examples: ['token --user-id ada --email ada@example.com']
  })
    .requiredOption('--user-id <id>', 'whose', text)
    .option('--email <address>', 'their e-mail')
    .option('--hours <hours>', 'how long it is good', positive('hours'), 24)
    .action(async (options: Output & { userId: string; email?: string; hours: number }) => {
      if (terminal().env.NODE_ENV === 'production')
        throw new Error('Tokens are made by your sign-in in production; this command refuses there.')
      const secret = environment().AUTH_SECRET
      if (!secret) throw new Error('AUTH_SECRET is not set and no `npm start` is running here.')
      const customer = { userId: options.userId, email: options.email ?? null }
      const signed = await signSessionToken(customer, secret, Math.ceil(options.hours * 3_600))
      answer(options, { token: signed }, () => print(signed))
    })
}
