/**
 * Whether two texts look equal to a person: whatever Unicode form their letters are in (Unicode Standard Annex #15),
 * whatever kind of space stands between their words (a page shows several as one), and whatever invisible characters
 * came along when they were copied.
 */
export function looksEqual(one: string, other: string): boolean {
  return one === other || normalForm(one) === normalForm(other)
}

/** Joiners, marks of direction, soft hyphens, variation selectors and the like: https://unicode.org/reports/tr44/#Default_Ignorable_Code_Point */
const INVISIBLE = /\p{Default_Ignorable_Code_Point}+/gu

/** Equal for texts that look equal. */
export function normalForm(text: string): string {
  return text.replace(INVISIBLE, '').normalize('NFC').replace(/\s+/gu, ' ').trim()
}
