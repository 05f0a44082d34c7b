import { type LineOptions, optionsText } from './line-options.js'
import type { OrderLine } from './order-line.js'

/** The lines of one product, as an order keeps them: one item, since its stock is one. */
export interface Item extends Omit<OrderLine, 'options'> {
  /** What part of the quantity has which options; null when none has any. */
  options: ItemPart[] | null
}

interface ItemPart {
  quantity: number
  options: LineOptions
}

export function itemsOf(lines: readonly OrderLine[]): Item[] {
  const items = new Map<string, Item>()
  for (const { options, ...line } of lines) {
    const before = items.get(line.productId)
    const parts = [...(before?.options ?? []), { quantity: line.quantity, options: options ?? {} }]
    items.set(line.productId, { ...line, quantity: line.quantity + (before?.quantity ?? 0), options: parts })
  }
  return [...items.values()].map(item => ({ ...item, options: item.options?.some(isChosen) ? item.options : null }))
}

/** The lines of an item; one line when its parts do not add up to it (prisma/schema.prisma). */
export function linesOf<T extends { quantity: number; options: unknown }>({
  options,
  ...item
}: T): (Omit<T, 'options'> & { quantity: number; options?: LineOptions })[] {
  const parts = (options ?? []) as ItemPart[]
  if (parts.length === 0 || parts.reduce((sum, { quantity }) => sum + quantity, 0) !== item.quantity) return [item]
  return parts.map(part => ({
    ...item,
    quantity: part.quantity,
    ...(isChosen(part) ? { options: part.options } : {})
  }))
}

function isChosen({ options }: ItemPart): boolean {
  return Object.keys(options).length > 0
}

/** What a line is called where people read it: with what the customer chose. */
export function lineName({ name, options }: { name: string; options?: LineOptions }): string {
  return options === undefined ? name : `${name} (${optionsText(options)})`
}
