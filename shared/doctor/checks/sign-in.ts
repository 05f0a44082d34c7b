import { outgoingFetch } from '../../runtime/outgoing.js'
import type { Check } from '../check.js'
import { fine, Unseen } from '../finding.js'
import { lookAtJwks } from '../jwks.js'

/** Whether customers can be told apart: what an issuer's tokens are checked with is there. */
export const signIn: Check = {
  name: 'sign-in',
  needs: ['AUTH_JWKS_URL', 'AUTH_JWT_ISSUER', 'AUTH_JWT_AUDIENCE', 'AUTH_JWT_ALGORITHMS'],
  async run({ config, settings }) {
    const { issuer, secrets } = config.auth
    if (issuer !== undefined) return await lookAtJwks(issuer, outgoingFetch(config.proxies))
    if (settings.wrong.has('AUTH_SECRET')) throw new Unseen('AUTH_SECRET is wrong')
    const more = secrets.length > 1 ? `, of which there are ${secrets.length}` : ''
    return [fine(`sessions are read with AUTH_SECRET${more}; there is no AUTH_JWKS_URL`)]
  }
}
