-- CreateTable
CREATE TABLE "Installation" (
    "name" TEXT NOT NULL,
    "namedAt" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "Installation_pkey" PRIMARY KEY ("name")
);
ALTER TABLE "Installation" ADD CONSTRAINT "Installation_name" CHECK ("name" ~ '^[a-z0-9][a-z0-9._-]{0,63}$');
GRANT SELECT, INSERT, UPDATE, DELETE ON "Installation" TO tillworks_app;

-- A name of its own, so that shops on one Stripe account tell their payments apart: 48 random bits.
INSERT INTO "Installation" ("name") VALUES ('shop-' || left(replace(gen_random_uuid()::text, '-', ''), 12));
