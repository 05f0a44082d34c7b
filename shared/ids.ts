import { randomBytes } from 'node:crypto'

/** An id of 25 characters that begins with c, as cuid() has them: time-ordered, then 16 random base-36 digits. */
export function newId(): string {
  const time = Date.now().toString(36).padStart(8, '0').slice(-8)
  let random = ''
  while (random.length < 16) {
    for (const byte of randomBytes(24)) {
      // 252 is the largest multiple of 36 in a byte: no digit is likelier than another.
      if (byte < 252 && random.length < 16) random += (byte % 36).toString(36)
    }
  }
  return `c${time}${random}`
}
