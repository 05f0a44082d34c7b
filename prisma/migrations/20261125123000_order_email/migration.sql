-- For the operators' search. The only statement of its migration, so that no transaction is around it and no checkout waits
-- for it. (Prisma's schema has no indexes on expressions.)
CREATE INDEX CONCURRENTLY "Order_email_search_idx" ON "Order"(lower("email"));
