-- CreateEnum
CREATE TYPE "RefundStatus" AS ENUM ('REQUESTED', 'PENDING', 'SUCCEEDED', 'FAILED', 'CANCELLED');

-- CreateEnum
CREATE TYPE "SignalKind" AS ENUM ('DECLINE', 'EARLY_FRAUD_WARNING', 'REVIEW');

-- CreateEnum
CREATE TYPE "LedgerAccount" AS ENUM ('STRIPE', 'SALES', 'REFUNDS', 'FEES', 'DISPUTES', 'EXCHANGE');

-- CreateEnum
CREATE TYPE "NotificationStatus" AS ENUM ('PENDING', 'DELIVERED', 'FAILED');

-- AlterEnum
-- This migration adds more than one value to an enum.
-- With PostgreSQL versions 11 and earlier, this is not possible
-- in a single migration. This can be worked around by creating
-- multiple migrations, each migration adding only one value to
-- the enum.


ALTER TYPE "PaymentStatus" ADD VALUE 'PENDING';
ALTER TYPE "PaymentStatus" ADD VALUE 'CANCELLED';

-- AlterEnum
ALTER TYPE "WebhookEventStatus" ADD VALUE 'RESOLVED';

-- AlterTable
ALTER TABLE "Order" ADD COLUMN     "cancelledAt" TIMESTAMPTZ(3),
ADD COLUMN     "captured" BIGINT NOT NULL DEFAULT 0,
ADD COLUMN     "refunded" BIGINT NOT NULL DEFAULT 0,
ADD COLUMN     "sequence" INTEGER NOT NULL DEFAULT 0;

-- AlterTable
ALTER TABLE "Payment" ADD COLUMN     "acceptedAt" TIMESTAMPTZ(3),
ADD COLUMN     "acceptedBy" TEXT,
ADD COLUMN     "captureBefore" TIMESTAMPTZ(3),
ADD COLUMN     "captured" BIGINT NOT NULL DEFAULT 0,
ADD COLUMN     "balanceTransactionId" TEXT,
ADD COLUMN     "chargeId" TEXT,
ADD COLUMN     "discount" BIGINT,
ADD COLUMN     "lapseAlertedAt" TIMESTAMPTZ(3),
ADD COLUMN     "reviewAction" TEXT,
ADD COLUMN     "reviewReason" TEXT,
ADD COLUMN     "tax" BIGINT;

-- AlterTable
ALTER TABLE "Reservation" ADD COLUMN     "restocked" INTEGER NOT NULL DEFAULT 0;

-- AlterTable
ALTER TABLE "WebhookEvent" ADD COLUMN     "note" TEXT,
ADD COLUMN     "resolvedBy" TEXT;

-- CreateTable
CREATE TABLE "Refund" (
    "id" TEXT NOT NULL,
    "stripeId" TEXT,
    "paymentIntentId" TEXT NOT NULL,
    "orderId" TEXT NOT NULL,
    "status" "RefundStatus" NOT NULL,
    "amount" BIGINT NOT NULL,
    "currency" CHAR(3) NOT NULL,
    "reason" TEXT,
    "failureReason" TEXT,
    "restock" JSONB,
    "restockedAt" TIMESTAMPTZ(3),
    "requestKey" TEXT,
    "requestedBy" TEXT,
    "createdAt" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "updatedAt" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "Refund_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "Dispute" (
    "id" TEXT NOT NULL,
    "paymentIntentId" TEXT NOT NULL,
    "orderId" TEXT NOT NULL,
    "status" TEXT NOT NULL,
    "reason" TEXT NOT NULL,
    "amount" BIGINT NOT NULL,
    "currency" CHAR(3) NOT NULL,
    "evidenceDueBy" TIMESTAMPTZ(3),
    "toldAt" TIMESTAMPTZ(3) NOT NULL,
    "toldRank" INTEGER NOT NULL,
    "createdAt" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "updatedAt" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "Dispute_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "PaymentSignal" (
    "id" TEXT NOT NULL,
    "kind" "SignalKind" NOT NULL,
    "orderId" TEXT NOT NULL,
    "checkoutId" TEXT NOT NULL,
    "paymentIntentId" TEXT NOT NULL,
    "code" TEXT NOT NULL,
    "open" BOOLEAN NOT NULL,
    "detail" JSONB NOT NULL,
    "createdAt" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "PaymentSignal_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "LedgerPosting" (
    "entry" TEXT NOT NULL,
    "account" "LedgerAccount" NOT NULL,
    "currency" CHAR(3) NOT NULL,
    "orderId" TEXT NOT NULL,
    "amount" BIGINT NOT NULL,
    "source" TEXT NOT NULL,
    "createdAt" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "LedgerPosting_pkey" PRIMARY KEY ("entry","account","currency")
);

-- CreateTable
CREATE TABLE "Notification" (
    "id" TEXT NOT NULL,
    "orderId" TEXT NOT NULL,
    "sequence" INTEGER NOT NULL,
    "type" TEXT NOT NULL,
    "data" JSONB NOT NULL,
    "status" "NotificationStatus" NOT NULL DEFAULT 'PENDING',
    "attempts" INTEGER NOT NULL DEFAULT 0,
    "error" TEXT,
    "leasedUntil" TIMESTAMPTZ(3),
    "nextAttemptAt" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "createdAt" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "deliveredAt" TIMESTAMPTZ(3),

    CONSTRAINT "Notification_pkey" PRIMARY KEY ("id")
);

-- CreateIndex
CREATE UNIQUE INDEX "Refund_stripeId_key" ON "Refund"("stripeId");

-- CreateIndex
CREATE UNIQUE INDEX "Refund_requestKey_key" ON "Refund"("requestKey");

-- CreateIndex
CREATE INDEX "Refund_orderId_idx" ON "Refund"("orderId");

-- CreateIndex
CREATE INDEX "Refund_paymentIntentId_idx" ON "Refund"("paymentIntentId");

-- CreateIndex
CREATE INDEX "Refund_status_updatedAt_idx" ON "Refund"("status", "updatedAt");

-- CreateIndex
CREATE INDEX "Dispute_orderId_idx" ON "Dispute"("orderId");

-- CreateIndex
CREATE INDEX "Dispute_paymentIntentId_idx" ON "Dispute"("paymentIntentId");

-- CreateIndex
CREATE INDEX "PaymentSignal_orderId_idx" ON "PaymentSignal"("orderId");

-- CreateIndex
CREATE INDEX "PaymentSignal_checkoutId_idx" ON "PaymentSignal"("checkoutId");

-- CreateIndex
CREATE INDEX "LedgerPosting_orderId_idx" ON "LedgerPosting"("orderId");

-- CreateIndex
CREATE INDEX "LedgerPosting_source_idx" ON "LedgerPosting"("source");

-- CreateIndex
CREATE INDEX "LedgerPosting_createdAt_idx" ON "LedgerPosting"("createdAt");

-- CreateIndex
CREATE INDEX "Notification_status_nextAttemptAt_idx" ON "Notification"("status", "nextAttemptAt");

-- CreateIndex
CREATE UNIQUE INDEX "Notification_orderId_sequence_key" ON "Notification"("orderId", "sequence");

-- CreateIndex
CREATE INDEX "Payment_status_captureBefore_idx" ON "Payment"("status", "captureBefore");

-- CreateIndex
CREATE INDEX "Payment_chargeId_idx" ON "Payment"("chargeId");

-- AddForeignKey
ALTER TABLE "Refund" ADD CONSTRAINT "Refund_paymentIntentId_fkey" FOREIGN KEY ("paymentIntentId") REFERENCES "Payment"("paymentIntentId") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "Refund" ADD CONSTRAINT "Refund_orderId_fkey" FOREIGN KEY ("orderId") REFERENCES "Order"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "Dispute" ADD CONSTRAINT "Dispute_paymentIntentId_fkey" FOREIGN KEY ("paymentIntentId") REFERENCES "Payment"("paymentIntentId") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "Dispute" ADD CONSTRAINT "Dispute_orderId_fkey" FOREIGN KEY ("orderId") REFERENCES "Order"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "PaymentSignal" ADD CONSTRAINT "PaymentSignal_orderId_fkey" FOREIGN KEY ("orderId") REFERENCES "Order"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "LedgerPosting" ADD CONSTRAINT "LedgerPosting_orderId_fkey" FOREIGN KEY ("orderId") REFERENCES "Order"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "Notification" ADD CONSTRAINT "Notification_orderId_fkey" FOREIGN KEY ("orderId") REFERENCES "Order"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- What Prisma's schema cannot say.
ALTER TABLE "Order" ADD CONSTRAINT "Order_money_check" CHECK ("captured" >= 0 AND "refunded" >= 0);
ALTER TABLE "Payment" ADD CONSTRAINT "Payment_captured_check" CHECK ("captured" >= 0);
ALTER TABLE "Refund" ADD CONSTRAINT "Refund_amount_check" CHECK ("amount" > 0);
ALTER TABLE "Reservation" ADD CONSTRAINT "Reservation_restocked_check" CHECK ("restocked" >= 0 AND "restocked" <= "quantity" AND ("restocked" = 0 OR "status" = 'COMMITTED'));
ALTER TABLE "LedgerPosting" ADD CONSTRAINT "LedgerPosting_amount_check" CHECK ("amount" <> 0);

-- The ledger is append-only, and an entry that does not balance cannot be written.
CREATE FUNCTION "ledger_balances"() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  unbalanced text;
BEGIN
  SELECT "entry" INTO unbalanced FROM "LedgerPosting" WHERE "entry" IN (SELECT "entry" FROM written)
    GROUP BY "entry", "currency" HAVING sum("amount") <> 0 LIMIT 1;
  IF unbalanced IS NOT NULL THEN
    RAISE EXCEPTION 'The ledger entry % does not sum to zero', unbalanced USING ERRCODE = 'check_violation';
  END IF;
  RETURN NULL;
END $$;
CREATE TRIGGER "LedgerPosting_balances" AFTER INSERT ON "LedgerPosting"
  REFERENCING NEW TABLE AS written FOR EACH STATEMENT EXECUTE FUNCTION "ledger_balances"();

CREATE FUNCTION "ledger_is_append_only"() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'Ledger postings are never changed or removed; post a correcting entry' USING ERRCODE = 'restrict_violation';
END $$;
CREATE TRIGGER "LedgerPosting_append_only" BEFORE UPDATE OR DELETE ON "LedgerPosting"
  FOR EACH STATEMENT EXECUTE FUNCTION "ledger_is_append_only"();
