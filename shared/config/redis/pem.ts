import { createPrivateKey, X509Certificate } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { z } from 'zod'
import { given, type ValueType } from '../value-types.js'

/** The path of a file with certificates, read. */
export const certificates = pemFile('the path of a file with certificates in PEM', text => new X509Certificate(text))

/** The path of a file with a private key, read. */
export const privateKey = pemFile('the path of a file with a private key in PEM, without a passphrase', text =>
  createPrivateKey(text)
)

/** What is in it is looked at now: at a connection the error would say less. */
function pemFile(takes: string, read: (text: string) => unknown): ValueType<string> {
  const schema = given().transform((path, context) => {
    try {
      const text = readFileSync(path, 'utf8')
      try {
        read(text)
        return text
      } catch {
        context.addIssue({ code: 'custom', message: `expected ${takes}` })
      }
    } catch (error) {
      const { code = 'unknown' } = error as NodeJS.ErrnoException
      context.addIssue({ code: 'custom', message: `expected ${takes}; it cannot be read (${code})` })
    }
    return z.NEVER
  })
  return { takes, schema }
}
