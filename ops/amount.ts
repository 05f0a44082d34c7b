import { minor, toDecimalString } from '../shared/money.js'

/** "19.99 EUR" of minor units: as one types it after --amount. */
export function amountText(amount: number | bigint, currency: string): string {
  return `${decimalText(amount, currency)} ${currency}`
}

/** Without the currency. */
export function decimalText(amount: number | bigint, currency: string): string {
  return toDecimalString(minor(Number(amount)), currency)
}
