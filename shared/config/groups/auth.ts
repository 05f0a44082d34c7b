import { SECOND } from '../../duration.js'
import { type ClaimNames, STANDARD_CLAIMS } from '../../identity/customer-claims.js'
import { type Group, optional, required, setting, type ValuesOf } from '../setting.js'
import { flag, integer, list, signingKeys, text, web } from '../value-types.js'

const algorithms = list(
  'public-key algorithms such as RS256,ES256,EdDSA',
  names => names.length > 0 && names.every(name => /^(RS|ES|PS)(256|384|512)$|^EdDSA$|^Ed25519$/.test(name))
)

/** Switches the comparison off. */
const NO_AUDIENCE = 'none'
/** What somebody writes who means that, and never gets an audience of that name. */
const ALMOST_NONE = /^(none|no|off|any|all|false|true|null|nil|undefined|disabled|[*-])$/i
const audiences = list(
  `what the claim aud has, several with commas, or ${NO_AUDIENCE} alone: it is not looked at`,
  names => names.length > 0 && (names.join() === NO_AUDIENCE || names.every(name => !ALMOST_NONE.test(name)))
)
const claim = (example: string) =>
  text(`a claim such as ${example}`, name => name.trim() === name && !/^\.|\.$/.test(name))

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
    audience: optional('AUTH_JWT_AUDIENCE', audiences, {
      doc: 'whom its tokens are for; `none` for an issuer whose tokens do not say: then those that it made for others count, too'
    }),
    algorithms: setting('AUTH_JWT_ALGORITHMS', algorithms, {
      default: 'RS256,ES256,EdDSA',
      doc: 'what its tokens may be signed with'
    }),
    sessionUrl: optional('AUTH_SESSION_URL', web('https://shop.example/api/auth/session'), {
      doc: "the shop's own session endpoint, for sessions that only the shop can read: gets the request's cookies and answers who is signed in"
    }),
    sessionCacheSeconds: setting('AUTH_SESSION_CACHE_SECONDS', integer(0, 300), {
      default: '10',
      doc: 'how long its answer is kept: so long somebody who has signed out can still buy; 0: it is asked for each request'
    }),
    sessionAuthorization: setting('AUTH_SESSION_AUTHORIZATION', flag, {
      default: 'false',
      doc: '`true`: it gets `Authorization: Bearer …`, too, of tokens that are not read here'
    }),
    userClaim: setting('AUTH_USER_CLAIM', claim('sub, user_id or https://shop.example/id'), {
      default: STANDARD_CLAIMS.user,
      doc: "the user's id, a text or a number, in the issuer's tokens, the cookies of Auth.js and the answer of AUTH_SESSION_URL; `outer.inner` for one within another"
    }),
    emailClaim: setting('AUTH_EMAIL_CLAIM', claim('email, user_metadata.email or https://shop.example/email'), {
      default: STANDARD_CLAIMS.email,
      doc: 'the e-mail, likewise'
    })
  }
} satisfies Group

export function readAuth(values: ValuesOf<typeof auth>) {
  const { secrets, jwksUrl, issuer, audience, algorithms, userClaim, emailClaim } = values
  return {
    /** Signs; all of them are read. */
    secret: secrets?.[0] ?? '',
    secrets,
    /** The shop's session endpoint. */
    session:
      values.sessionUrl === undefined
        ? undefined
        : {
            url: values.sessionUrl,
            cacheMs: values.sessionCacheSeconds * SECOND,
            authorization: values.sessionAuthorization
          },
    claims: { user: userClaim, email: emailClaim } satisfies ClaimNames,
    issuer:
      jwksUrl === undefined
        ? undefined
        : {
            jwksUrl,
            issuer: issuer ?? '',
            /** One of these; undefined when it is not looked at. */
            audience: audience?.includes(NO_AUDIENCE) ? undefined : (audience ?? []),
            algorithms
          }
  }
}
