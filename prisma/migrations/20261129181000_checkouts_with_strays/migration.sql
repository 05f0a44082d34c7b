-- Each event of a payment that nobody here knows asks whether Stripe may have made a Session twice. Few checkouts have met an error of Stripe's own.
-- Alone in its migration, so that no transaction is around it.
CREATE INDEX CONCURRENTLY "Checkout_strays_idx" ON "Checkout"("createdAt") WHERE "serverErrors" > 0;
