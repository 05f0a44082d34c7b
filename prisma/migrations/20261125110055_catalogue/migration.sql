-- AlterTable
ALTER TABLE "Checkout" ADD COLUMN     "metadata" JSONB;

-- AlterTable
ALTER TABLE "Order" ADD COLUMN     "metadata" JSONB;

-- AlterTable
ALTER TABLE "OrderItem" ADD COLUMN     "options" JSONB;

-- AlterTable
ALTER TABLE "Product" ADD COLUMN     "backorderLimit" INTEGER NOT NULL DEFAULT 0,
ADD COLUMN     "trackStock" BOOLEAN NOT NULL DEFAULT true;

-- CreateTable
CREATE TABLE "ProductPrice" (
    "productId" TEXT NOT NULL,
    "currency" CHAR(3) NOT NULL,
    "amount" BIGINT NOT NULL,

    CONSTRAINT "ProductPrice_pkey" PRIMARY KEY ("productId","currency")
);

-- AddForeignKey
ALTER TABLE "ProductPrice" ADD CONSTRAINT "ProductPrice_productId_fkey" FOREIGN KEY ("productId") REFERENCES "Product"("id") ON DELETE CASCADE ON UPDATE CASCADE;
ALTER TABLE "ProductPrice" ADD CONSTRAINT "ProductPrice_amount_check" CHECK ("amount" > 0);
-- Also when another login migrates than the one whose default privileges were set.
GRANT SELECT, INSERT, UPDATE, DELETE ON "ProductPrice" TO tillworks_app;

-- As many may be sold beyond the stock as the backorder limit says; what is not counted never runs out. The rows that are
-- there obey already, since the rule before was stricter: the next migration says so to PostgreSQL without this lock.
ALTER TABLE "Product" ADD CONSTRAINT "Product_backorder_check" CHECK ("backorderLimit" >= 0) NOT VALID,
  ADD CONSTRAINT "Product_available_check" CHECK (
    "reserved" >= 0 AND (NOT "trackStock" OR "stock"::bigint - "reserved" >= -"backorderLimit"::bigint)
  ) NOT VALID,
  DROP CONSTRAINT "Product_stock_check";
