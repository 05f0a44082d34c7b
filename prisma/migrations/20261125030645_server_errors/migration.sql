-- AlterTable
ALTER TABLE "Checkout" ADD COLUMN     "serverErrors" INTEGER NOT NULL DEFAULT 0;

-- AlterTable
ALTER TABLE "Refund" ADD COLUMN     "serverErrors" INTEGER NOT NULL DEFAULT 0;
