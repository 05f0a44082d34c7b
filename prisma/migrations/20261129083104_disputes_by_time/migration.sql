-- As 20261129083101_checkouts_by_time.
CREATE INDEX CONCURRENTLY "Dispute_createdAt_idx" ON "Dispute" USING BRIN ("createdAt" timestamptz_minmax_multi_ops) WITH (pages_per_range = 32);
