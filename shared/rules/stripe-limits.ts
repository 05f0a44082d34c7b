// What Stripe takes of the texts that we send: what does not fit is cut or left out here and never refused there. The full
// text stays on the order, on the refund and in the audit trail. Lengths are counted in UTF-16 units, which are never fewer
// than the characters that Stripe counts.

/** Where Stripe names several limits, the tightest. */
export const stripeLimits = {
  /** The changelog names 250 for products; the API's own specification takes 5,000. */
  productName: 250,
  /** Stripe takes 40,000, of a hundred lines at once; the payment page shows the beginning. */
  productDescription: 500,
  /** An image's address is a URL of at most 2,048: https://docs.stripe.com/api/products/create#create_product-images */
  image: 2_048,
  /** https://docs.stripe.com/metadata#data */
  metadataKeys: 50,
  metadataKey: 40,
  metadataValue: 500,
  /** https://docs.stripe.com/api/checkout/sessions/create#create_checkout_session-success_url */
  url: 5_000,
  /** https://docs.stripe.com/api/customers/create#create_customer-phone */
  phone: 20,
  /** Parts of a postal address: far below the 5,000 of the API, and above what an order takes. */
  addressPart: 500
} as const

const ELLIPSIS = '…'

/** The text if Stripe takes it, else its beginning, ending with an ellipsis; undefined for one that is empty or blank. */
export function fitting(text: string | null | undefined, most: number): string | undefined {
  if (text === null || text === undefined || text.trim() === '') return undefined
  if (text.length <= most) return text
  const kept = beginningOf(text, most - ELLIPSIS.length).trimEnd()
  return `${kept}${ELLIPSIS}`
}

const graphemes = new Intl.Segmenter('en', { granularity: 'grapheme' })

/** As many whole characters, as people see them, as fit; of one that is longer than all that fits, whole code points. */
function beginningOf(text: string, most: number): string {
  // What is cut off need not be looked at; a code point more says where the last character ends.
  const head = text.slice(0, most + 2)
  let end = 0
  for (const { index, segment } of graphemes.segment(head)) {
    if (index + segment.length > most) break
    end = index + segment.length
  }
  if (end > 0) return head.slice(0, end)
  const half = head.charCodeAt(most - 1)
  return head.slice(0, half >= 0xd800 && half <= 0xdbff ? most - 1 : most)
}

/** What a product is called at Stripe, which refuses one without a name. */
export function productName(name: string, productId: string): string {
  return fitting(name, stripeLimits.productName) ?? productId
}

/**
 * The address of an image that Stripe can fetch: https on a public host, a path made absolute by the storefront's origin.
 * Undefined for any other.
 */
export function imageUrl(image: string | null, storefront: string): string | undefined {
  if (image === null || !URL.canParse(image, storefront)) return undefined
  const url = new URL(image, storefront)
  if (url.protocol !== 'https:' || url.username !== '' || url.password !== '' || !isPublicName(url.hostname)) {
    return undefined
  }
  return url.href.length <= stripeLimits.image ? url.href : undefined
}

/** A name with a domain of letters at its end: no address, no localhost. */
function isPublicName(host: string): boolean {
  return /\.[a-z][a-z\d-]*[a-z\d]$/.test(host)
}

/** Metadata as Stripe takes it: values cut, those that are empty left out. The keys are our own. */
export function fittingMetadata(values: Record<string, string | null | undefined>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(values).flatMap(([key, value]) => {
      const text = fitting(value, stripeLimits.metadataValue)
      return text === undefined ? [] : [[key, text]]
    })
  )
}

const SESSION_ID = '{CHECKOUT_SESSION_ID}'

/**
 * The URL that the customer comes back to, with the Session's id, which Stripe puts in place of the braces
 * (https://docs.stripe.com/payments/checkout/custom-success-page): so they stay as they are.
 */
export function successUrl(url: string): string {
  const plain = asciiUrl(url)
  if (plain.includes(SESSION_ID)) return plain
  return `${plain}${plain.includes('?') ? '&' : '?'}session_id=${SESSION_ID}`
}

/** The URL in the characters that a URL has (RFC 3986): other letters and spaces are encoded. */
export function asciiUrl(url: string): string {
  return /^[\x21-\x7e]+$/.test(url) ? url : new URL(url).href.replaceAll('%7BCHECKOUT_SESSION_ID%7D', SESSION_ID)
}

/** Whether a setting can be the URL that the customer comes back to. */
export function isReturnUrl(url: string): boolean {
  return URL.canParse(url) && successUrl(url).length <= stripeLimits.url
}

/**
 * What cards can have after the account's own prefix, `*` and a space; the prefix has 2 to 10 characters, all of it 22.
 * https://docs.stripe.com/get-started/account/statement-descriptors
 */
export const descriptorSuffix = {
  takes:
    '1 to 18 characters of A-Z, a-z, 0-9 and ASCII signs, with a letter and none of < > \\ \' " *; together with the prefix of your Stripe account, which is not known here, a * and a space at most 22',
  isTaken: (text: string) => /^(?=.*[A-Za-z])(?! )[\x20-\x7e]{1,18}(?<! )$/.test(text) && !/[<>\\'"*]/.test(text)
}
