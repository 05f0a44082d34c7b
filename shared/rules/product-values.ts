// What a product may be called, and what it may cost.

export const MAX_NAME = 255
export const MAX_DESCRIPTION = 5_000
const MAX_IMAGE = 2_048
const MAX_SLUG = 255
/** The digits of the highest price that Stripe takes in any currency: https://docs.stripe.com/currencies#minimum-and-maximum-charge-amounts */
export const MAX_AMOUNT = 999_999_999_999
/** Of PostgreSQL's integer. */
export const MAX_COUNT = 2_147_483_647

/** What is wrong with a text of a product; undefined when nothing is. */
export function textProblem(field: 'slug' | 'name' | 'description' | 'image', text: string): string | undefined {
  if (!isText(text)) return 'has a character that is no text'
  switch (field) {
    case 'name':
      if (text.trim() === '') return 'must not be empty: leave the column out to keep the names'
      return tooLong(text, MAX_NAME)
    case 'description':
      return tooLong(text, MAX_DESCRIPTION)
    case 'image':
      if (!text.startsWith('/') && !isWebUrl(text))
        return 'has to be a URL such as https://shop.example/mug.jpg, or a path that begins with /'
      return tooLong(text, MAX_IMAGE)
    case 'slug':
      if (/[\s/?#%\\]/.test(text)) return 'stands in the address of a page: no spaces and none of / ? # % \\'
      return tooLong(text, MAX_SLUG)
  }
}

/** Something that the database can keep, and look for. */
export function isText(text: string): boolean {
  return text.isWellFormed() && !hasControlCharacter(text)
}

function tooLong(text: string, most: number): string | undefined {
  return text.length > most ? `is longer than ${most} characters (${text.length})` : undefined
}

/** All but tab and the ends of lines. */
function hasControlCharacter(text: string): boolean {
  return /(?![\t\n\r])\p{Cc}/u.test(text)
}

function isWebUrl(text: string): boolean {
  return URL.canParse(text) && ['http:', 'https:'].includes(new URL(text).protocol)
}
