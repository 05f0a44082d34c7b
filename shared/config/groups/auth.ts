import { type Group, optional, required, setting, type ValuesOf } from '../setting.js'
import { list, signingKeys, text, web } from '../value-types.js'

const algorithms = list(
  'public-key algorithms such as RS256,ES256,EdDSA',
  names => names.length > 0 && names.every(name => /^(RS|ES|PS)(256|384|512)$|^EdDSA$|^Ed25519$/.test(name))
)

export const auth = {
  title: 'Sign-in of customers',
  settings: {
    secrets: required('AUTH_SECRET', signingKeys(' while one is being replaced'), {
      secret: true,
      doc: 'signs and reads sessions, as your sign-in has it; the newest first',
      npmStart: 'made at the first start',
      example: ''
    }),
    jwksUrl: optional('AUTH_JWKS_URL', web('https://login.example/.well-known/jwks.json'), {
      doc: 'the keys of an issuer whose bearer tokens are read, too'
    }),
    issuer: optional('AUTH_JWT_ISSUER', text('any text'), { doc: 'that issuer, as its tokens name it' }),
    audience: optional('AUTH_JWT_AUDIENCE', text('any text'), { doc: 'whom its tokens are for' }),
    algorithms: setting('AUTH_JWT_ALGORITHMS', algorithms, {
      default: 'RS256,ES256,EdDSA',
      doc: 'what its tokens may be signed with'
    })
  }
} satisfies Group

export function readAuth({ secrets, jwksUrl, issuer, audience, algorithms }: ValuesOf<typeof auth>) {
  return {
    /** Signs; all of them are read. */
    secret: secrets[0] ?? '',
    secrets,
    issuer: jwksUrl === undefined ? undefined : { jwksUrl, issuer: issuer ?? '', audience: audience ?? '', algorithms }
  }
}
