/** How a shop's product ids look (PRODUCT_ID_FORMAT). */
export const productIdFormats = ['cuid', 'uuid', 'any'] as const

export type ProductIdFormat = (typeof productIdFormats)[number]

const PATTERNS: Record<ProductIdFormat, RegExp> = {
  cuid: /^[cC][0-9A-Za-z]{8,63}$/,
  uuid: /^[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}$/i,
  // "." and ".." mean a folder to whatever resolves a URL.
  any: /^(?!\.{1,2}$)[A-Za-z0-9._-]{1,64}$/
}

/** What each format takes, in words. */
export const productIdWords: Record<ProductIdFormat, string> = {
  cuid: 'a cuid: c, then 8 to 63 letters and digits',
  uuid: 'a UUID such as 0190f2c4-5e0b-7cc3-98c4-dc0c0c07398f',
  any: '1 to 64 of letters, digits, ".", "_" and "-"'
}

/**
 * The id as the database has it, or undefined when it has another form. UUIDs are read in either case and kept in lower case
 * (RFC 9562, section 4); all other ids mean what they say, letter by letter.
 */
export function readProductId(text: string, format: ProductIdFormat): string | undefined {
  if (!PATTERNS[format].test(text)) return undefined
  return format === 'uuid' ? text.toLowerCase() : text
}
