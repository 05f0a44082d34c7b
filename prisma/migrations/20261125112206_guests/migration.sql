-- CreateTable
CREATE TABLE "GuestClaim" (
    "guestId" TEXT NOT NULL,
    "userId" TEXT NOT NULL,
    "claimedAt" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "GuestClaim_pkey" PRIMARY KEY ("guestId")
);

-- CreateIndex
CREATE INDEX "GuestClaim_userId_idx" ON "GuestClaim"("userId");

-- CreateIndex
CREATE INDEX "GuestClaim_claimedAt_idx" ON "GuestClaim"("claimedAt");

GRANT SELECT, INSERT, UPDATE, DELETE ON "GuestClaim" TO tillworks_app;

-- A request of a guest that is under way while a customer claims the guest's orders writes for the customer, too. The claim
-- holds the lock alone (shared/statements/guests.ts). A function that is VOLATILE sees in each of its statements what was
-- committed while it waited (https://www.postgresql.org/docs/18/xfunc-volatility.html).
CREATE FUNCTION "give_to_claimant"() RETURNS trigger LANGUAGE plpgsql VOLATILE AS $$
DECLARE claimant text;
BEGIN
  PERFORM pg_advisory_xact_lock_shared(hashtextextended('guest:' || NEW."userId", 0));
  SELECT "userId" INTO claimant FROM "GuestClaim" WHERE "guestId" = NEW."userId";
  NEW."userId" := COALESCE(claimant, NEW."userId");
  RETURN NEW;
END $$;

CREATE TRIGGER "Order_of_guest" BEFORE INSERT ON "Order" FOR EACH ROW
  WHEN (starts_with(NEW."userId", 'tillworks-guest:')) EXECUTE FUNCTION "give_to_claimant"();
CREATE TRIGGER "Checkout_of_guest" BEFORE INSERT ON "Checkout" FOR EACH ROW
  WHEN (starts_with(NEW."userId", 'tillworks-guest:')) EXECUTE FUNCTION "give_to_claimant"();
CREATE TRIGGER "IdempotencyKey_of_guest" BEFORE INSERT ON "IdempotencyKey" FOR EACH ROW
  WHEN (starts_with(NEW."userId", 'tillworks-guest:')) EXECUTE FUNCTION "give_to_claimant"();

-- As "count_attempts" of a customer; a guest's are also those of all guests of the network, who may have made as many as
-- `guests` of them together. The release before this one knows the other function alone.
CREATE FUNCTION "count_attempts"(customer text, since timestamptz, of_network text, guests int)
RETURNS TABLE ("made" int, "oldest" timestamptz) LANGUAGE plpgsql VOLATILE AS $$
DECLARE own_made int; own_oldest timestamptz; all_made int; all_oldest timestamptz;
BEGIN
  IF of_network IS NULL OR NOT starts_with(customer, 'tillworks-guest:') THEN
    RETURN QUERY SELECT * FROM "count_attempts"(customer, since);
    RETURN;
  END IF;
  PERFORM pg_advisory_xact_lock(hashtextextended('attempts of guests:' || of_network, 0));
  SELECT a."made", a."oldest" INTO own_made, own_oldest FROM "count_attempts"(customer, since) a;
  SELECT (count(*) / guests)::int, min(c."createdAt") INTO all_made, all_oldest FROM "Checkout" c
    WHERE c."network" = of_network AND starts_with(c."userId", 'tillworks-guest:') AND c."createdAt" > since
    AND c."createdAt" > COALESCE((SELECT f."clearedAt" FROM "FraudClearance" f WHERE f."subject" = 'ip:' || of_network), '-infinity');
  RETURN QUERY SELECT GREATEST(own_made, all_made), CASE WHEN own_made >= all_made THEN own_oldest ELSE all_oldest END;
END $$;
GRANT EXECUTE ON FUNCTION "count_attempts"(text, timestamptz, text, int), "give_to_claimant"() TO tillworks_app;
