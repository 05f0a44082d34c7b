/** The languages of Stripe's payment page: `Locale` of the `stripe` package. `auto` is that of the browser. */
export const pageLocales = [
  'auto',
  'bg',
  'cs',
  'da',
  'de',
  'el',
  'en',
  'en-GB',
  'es',
  'es-419',
  'et',
  'fi',
  'fil',
  'fr',
  'fr-CA',
  'hi-IN',
  'hr',
  'hu',
  'id',
  'it',
  'ja',
  'ko',
  'lt',
  'lv',
  'ms',
  'mt',
  'nb',
  'nl',
  'pl',
  'pt',
  'pt-BR',
  'ro',
  'ru',
  'sk',
  'sl',
  'sv',
  'th',
  'tr',
  'vi',
  'zh',
  'zh-HK',
  'zh-TW'
] as const

export type PageLocale = (typeof pageLocales)[number]

/** Languages that Stripe has under another name. */
const NAMED_OTHERWISE: Record<string, PageLocale> = {
  no: 'nb',
  nn: 'nb',
  tl: 'fil',
  hi: 'hi-IN',
  'zh-Hant': 'zh-TW',
  'zh-Hant-HK': 'zh-HK',
  'zh-Hant-MO': 'zh-HK',
  'zh-MO': 'zh-HK'
}

/** Whether it is `auto` or a language tag (BCP 47), as browsers and frameworks write it: `fr`, `fr-FR`, `fr_FR`. */
export function isLanguageTag(text: string): boolean {
  return text === 'auto' || tagOf(text) !== undefined
}

/** The page's language for a language tag; undefined when Stripe has no page in it. */
export function pageLocale(text: string): PageLocale | undefined {
  if (text === 'auto') return text
  const tag = tagOf(text)
  if (tag === undefined) return undefined
  // Of Spanish there is a page for Spain and one for Latin America (UN M49: 419).
  if (tag.language === 'es' && tag.region !== undefined && tag.region !== 'ES') return 'es-419'
  const { language, script, region } = tag
  const names = [[language, script, region], [language, region], [language, script], [language]].map(parts =>
    parts.filter(part => part !== undefined).join('-')
  )
  for (const name of names) {
    const found = pageLocales.find(locale => locale === name) ?? NAMED_OTHERWISE[name]
    if (found !== undefined) return found
  }
  return undefined
}

function tagOf(text: string): Intl.Locale | undefined {
  try {
    return new Intl.Locale(text.replaceAll('_', '-'))
  } catch {
    return undefined
  }
}
