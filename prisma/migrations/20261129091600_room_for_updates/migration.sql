-- Room in each page for the new versions of rows that change soon after they are written (docs/performance.md). It counts for pages
-- that are filled from now on; the lock lets reads and writes through.
ALTER TABLE "IdempotencyKey" SET (fillfactor = 85);
ALTER TABLE "Payment" SET (fillfactor = 85);
ALTER TABLE "Checkout" SET (fillfactor = 85);
ALTER TABLE "Order" SET (fillfactor = 85);
