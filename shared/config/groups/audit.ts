import { type Group, optional, setting, type ValuesOf } from '../setting.js'
import { only, signingKeys } from '../value-types.js'

export const audit = {
  title: 'Audit trail',
  settings: {
    signingKeys: optional('AUDIT_SIGNING_KEY', signingKeys(', the newest first, to read what an old one has signed'), {
      secret: true,
      doc: 'signs what is left of removed chains of the audit trail, without it `AUTH_SECRET` does; keep old ones',
      example: ''
    })
  },
  checked: [
    setting('PAYMENT_AUDIT_ENABLED', only('true', 'the audit row is part of every transaction that moves money'), {
      default: 'true',
      doc: '`false` is refused: the audit row is part of each transaction'
    })
  ]
} satisfies Group

/** What signs removed chains of the audit trail, the newest first; none: AUTH_SECRET does. */
export function readAudit({ signingKeys }: ValuesOf<typeof audit>) {
  return { signingKeys: signingKeys ?? [] }
}
