-- AlterEnum
-- By itself: PostgreSQL lets a new value be used only after the transaction that adds it.
ALTER TYPE "RefundStatus" ADD VALUE 'REFUSED' AFTER 'REQUESTED';
