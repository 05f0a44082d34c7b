-- For `retention`: orders with options that are not forgotten. The only statement of its migration, so that no transaction is
-- around it and nobody's checkout waits for it.
CREATE INDEX CONCURRENTLY "OrderItem_options_idx" ON "OrderItem"("orderId") WHERE "options" IS NOT NULL;
