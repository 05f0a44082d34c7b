import { withServices } from './environment.js'
import { printJson } from './print.js'
import { required, UsageError } from './usage-error.js'

export async function showCheckout([action, given]: string[]): Promise<void> {
  if (action !== 'show') throw new UsageError('checkout takes show.')
  const id = required(given, 'The checkout’s id')
  await withServices(async ({ db }) => {
    const checkout = await db.prisma.checkout.findUnique({
      where: { id },
      include: { reservations: true, payments: true }
    })
    if (checkout === null) throw new Error(`There is no checkout ${id}.`)
    const audit = await db.prisma.paymentAuditLog.findMany({ where: { checkoutId: id }, orderBy: { id: 'asc' } })
    printJson({ ...checkout, audit })
  })
}
