-- AlterTable
ALTER TABLE "Checkout" ADD COLUMN     "risk" TEXT;

-- CreateTable
CREATE TABLE "RateLimit" (
    "key" VARCHAR(255) NOT NULL,
    "points" INTEGER NOT NULL DEFAULT 0,
    "expire" BIGINT,

    CONSTRAINT "RateLimit_pkey" PRIMARY KEY ("key")
);

-- CreateTable
CREATE TABLE "FraudClearance" (
    "subject" TEXT NOT NULL,
    "clearedAt" TIMESTAMPTZ(3) NOT NULL,
    "clearedBy" TEXT NOT NULL,
    "note" TEXT NOT NULL,

    CONSTRAINT "FraudClearance_pkey" PRIMARY KEY ("subject")
);

-- CreateTable
CREATE TABLE "Switch" (
    "name" TEXT NOT NULL,
    "value" JSONB NOT NULL,
    "updatedAt" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "updatedBy" TEXT NOT NULL,

    CONSTRAINT "Switch_pkey" PRIMARY KEY ("name")
);

-- CreateIndex
CREATE INDEX "RateLimit_expire_idx" ON "RateLimit"("expire");

-- Points of a minute are worth no write-ahead log: after a crash everybody has a fresh minute.
ALTER TABLE "RateLimit" SET UNLOGGED;
-- Fraud rules look at what an address did lately.
CREATE INDEX "Checkout_ipAddress_createdAt_idx" ON "Checkout"("ipAddress", "createdAt");
