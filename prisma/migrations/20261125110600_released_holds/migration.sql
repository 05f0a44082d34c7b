-- What Stripe calls a refund and is none: it let go of what was held and never captured.
-- AlterEnum
ALTER TYPE "RefundStatus" ADD VALUE 'RELEASED';
