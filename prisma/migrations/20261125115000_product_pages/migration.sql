-- For GET /api/products by pages. The only statement of its migration, so that no transaction is around it and nobody's
-- checkout waits for it. (Prisma's schema has no partial indexes.)
CREATE INDEX CONCURRENTLY "Product_listed_idx" ON "Product"("name", "id") WHERE "active";
