-- Reports count what was made in a day. A BRIN index has an entry for 32 pages and not for each row, so that it costs an update of a
-- row nothing; "multi", because rows of today can fill the gaps of pages that are old. Alone in its migration, so that no transaction is around it.
CREATE INDEX CONCURRENTLY "Checkout_createdAt_idx" ON "Checkout" USING BRIN ("createdAt" timestamptz_minmax_multi_ops) WITH (pages_per_range = 32);
