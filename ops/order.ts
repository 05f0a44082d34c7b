import { withServices } from './environment.js'
import { printJson } from './print.js'
import { required, UsageError } from './usage-error.js'

export async function showOrder([action, given]: string[]): Promise<void> {
  if (action !== 'show') throw new UsageError('order takes show.')
  const id = required(given, 'The order’s id')
  await withServices(async ({ db }) => {
    const order = await db.prisma.order.findUnique({
      where: { id },
      include: { items: true, payments: true, checkouts: true }
    })
    if (order === null) throw new Error(`There is no order ${id}.`)
    const audit = await db.prisma.paymentAuditLog.findMany({ where: { orderId: id }, orderBy: { id: 'asc' } })
    printJson({ ...order, audit })
  })
}
