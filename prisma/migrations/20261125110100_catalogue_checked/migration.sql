-- In a transaction of its own: reads the table beside its readers and writers
-- (https://www.postgresql.org/docs/18/sql-altertable.html#SQL-ALTERTABLE-NOTES).
ALTER TABLE "Product" VALIDATE CONSTRAINT "Product_backorder_check", VALIDATE CONSTRAINT "Product_available_check";
