import { amountDecimals, type MinorUnits, toDecimalString } from '../../../shared/money.js'

/** An amount as people write it: 1999 EUR is "€19.99", 1999 JPY "¥1,999". */
export function amountText(amount: number | bigint | null, currency: string): string {
  if (amount === null) return '–'
  const digits = amountDecimals(currency)
  const format = new Intl.NumberFormat('en', {
    style: 'currency',
    currency,
    minimumFractionDigits: digits,
    maximumFractionDigits: digits
  })
  // As text: a number in major units could not be exact.
  return format.format(toDecimalString(Number(amount) as MinorUnits, currency) as Intl.StringNumericLiteral)
}
