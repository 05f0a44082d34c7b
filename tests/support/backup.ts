import { asOwner, type Shop } from './shop.js'

/** Copies every table of the shop within its database; `restore` puts them back, as a backup of that moment would. */
export async function backUp(shop: Shop): Promise<void> {
  await asOwner(
    shop,
    `BEGIN ISOLATION LEVEL REPEATABLE READ;
     DROP SCHEMA IF EXISTS backup CASCADE; CREATE SCHEMA backup;
     ${eachTable(`EXECUTE format('CREATE TABLE backup.%I AS TABLE public.%I', t, t)`)}; COMMIT`
  )
}

export async function restore(shop: Shop): Promise<void> {
  await asOwner(
    shop,
    `BEGIN; SET LOCAL session_replication_role = replica;
     ${eachTable(`EXECUTE format('TRUNCATE public.%I CASCADE', t)`)};
     ${eachTable(`EXECUTE format('INSERT INTO public.%I SELECT * FROM backup.%I', t, t)`)}; COMMIT`
  )
}

function eachTable(statement: string): string {
  return `DO $$ DECLARE t text; BEGIN
    FOR t IN SELECT tablename FROM pg_tables WHERE schemaname = 'public' LOOP ${statement}; END LOOP; END $$`
}

/** Everything of an order that follows from what Stripe has. */
export async function outcomeOf(shop: Shop, orderId: string) {
  const read = async (text: string) => (await shop.stack.services.db.pool.query(text, [orderId])).rows
  return {
    order: await read('SELECT "status", "captured", "refunded" FROM "Order" WHERE "id" = $1'),
    checkouts: await read('SELECT "id", "status", "sessionId" FROM "Checkout" WHERE "orderId" = $1 ORDER BY 1'),
    payments: await read(
      `SELECT "paymentIntentId", "status", "amount", "currency", "captured", "chargeId", "balanceTransactionId", "discount", "reviewReason"
       FROM "Payment" WHERE "orderId" = $1 ORDER BY 1`
    ),
    refunds: await read(
      'SELECT "stripeId", "status", "amount", "failureReason", "restockedAt" IS NOT NULL AS restocked FROM "Refund" WHERE "orderId" = $1 ORDER BY 1'
    ),
    disputes: await read('SELECT "id", "status", "amount", "reason" FROM "Dispute" WHERE "orderId" = $1 ORDER BY 1'),
    ledger: await read(
      'SELECT "entry", "account", "currency", "amount" FROM "LedgerPosting" WHERE "orderId" = $1 ORDER BY 1, 2'
    ),
    stock: await read(
      `SELECT p."slug", p."stock", p."reserved", r."status", r."restocked" FROM "Reservation" r JOIN "Product" p ON p."id" = r."productId"
       WHERE r."checkoutId" IN (SELECT "id" FROM "Checkout" WHERE "orderId" = $1) ORDER BY r."checkoutId", 1`
    )
  }
}
