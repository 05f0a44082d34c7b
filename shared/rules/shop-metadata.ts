/** What a shop keeps with an order or a checkout. It is told again and never read: nothing may be decided by it. */
export type ShopMetadata = Record<string, string>
