import type { Shop } from './shop.js'

/** The alerts of a name, whether or not they are resolved; the oldest first. */
export const alertsOf = (shop: Shop, name: string) =>
  shop.stack.services.db.prisma.alert.findMany({ where: { name }, orderBy: { createdAt: 'asc' } })

export const openAlerts = (shop: Shop, name: string) =>
  shop.stack.services.db.prisma.alert.findMany({ where: { name, resolvedAt: null } })

export const reasonsOf = async (shop: Shop, name: string) =>
  (await alertsOf(shop, name)).map(({ context }) => (context as { reason: string }).reason)

export async function resolveAll(shop: Shop): Promise<void> {
  await shop.stack.services.db.pool.query('UPDATE "Alert" SET "resolvedAt" = now()')
}
