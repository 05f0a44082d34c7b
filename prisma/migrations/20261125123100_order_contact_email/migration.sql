-- As 20261125123000_order_email, for what the customer gave at Stripe's page.
CREATE INDEX CONCURRENTLY "Order_contact_email_search_idx" ON "Order"(lower("contact"->>'email'));
