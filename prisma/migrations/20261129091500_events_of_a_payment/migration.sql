-- The PaymentIntent by which events wait together (docs/decisions/0057-events-of-a-payment-are-applied-together.md). Null in rows of before.
ALTER TABLE "WebhookEvent" ADD COLUMN     "paymentIntentId" TEXT;
