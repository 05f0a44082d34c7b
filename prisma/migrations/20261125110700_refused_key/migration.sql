-- AlterTable
ALTER TABLE "Checkout" ADD COLUMN     "keyRefusedAt" TIMESTAMPTZ(3);
