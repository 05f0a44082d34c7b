import { maskCardNumbers } from './card-numbers.js'

/** A User-Agent header as the audit trail keeps it. */
export function plainUserAgent(header: string | undefined): string | null {
  return maskCardNumbers(header ?? '').slice(0, 255) || null
}
