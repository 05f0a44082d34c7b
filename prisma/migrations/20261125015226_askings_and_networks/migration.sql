-- DropIndex
DROP INDEX "Checkout_ipAddress_createdAt_idx";

-- AlterTable
ALTER TABLE "Checkout" ADD COLUMN     "askedAt" TIMESTAMPTZ(3),
ADD COLUMN     "network" TEXT;

-- AlterTable
ALTER TABLE "IdempotencyKey" ADD COLUMN     "orderId" TEXT,
ALTER COLUMN "checkoutId" DROP NOT NULL;

-- AlterTable
ALTER TABLE "Payment" ADD COLUMN     "askedAt" TIMESTAMPTZ(3);

-- AlterTable
ALTER TABLE "Refund" ADD COLUMN     "askedAt" TIMESTAMPTZ(3),
ADD COLUMN     "balanceTransactionId" TEXT,
ADD COLUMN     "returnTransactionId" TEXT;

-- CreateTable
CREATE TABLE "Checkpoint" (
    "name" TEXT NOT NULL,
    "at" TIMESTAMPTZ(3) NOT NULL,

    CONSTRAINT "Checkpoint_pkey" PRIMARY KEY ("name")
);

-- CreateIndex
CREATE INDEX "Checkout_network_createdAt_idx" ON "Checkout"("network", "createdAt");

-- Also when another login migrates than the one whose default privileges were set.
GRANT SELECT, INSERT, UPDATE, DELETE ON "Checkpoint" TO tillworks_app;
