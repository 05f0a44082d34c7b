-- AlterTable
ALTER TABLE "PaymentAuditLog" ADD COLUMN     "chain" TEXT,
ADD COLUMN     "hash" TEXT,
ADD COLUMN     "personalHash" TEXT,
ADD COLUMN     "personalSalt" TEXT,
ADD COLUMN     "previousHash" TEXT,
ADD COLUMN     "sequence" INTEGER;

-- CreateTable
CREATE TABLE "AuditChain" (
    "chain" TEXT NOT NULL,
    "length" INTEGER NOT NULL,
    "hash" TEXT NOT NULL,
    "updatedAt" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "AuditChain_pkey" PRIMARY KEY ("chain")
);

-- CreateTable
CREATE TABLE "AuditTombstone" (
    "chain" TEXT NOT NULL,
    "rows" INTEGER NOT NULL,
    "firstAt" TIMESTAMPTZ(3) NOT NULL,
    "lastAt" TIMESTAMPTZ(3) NOT NULL,
    "lastHash" TEXT NOT NULL,
    "removedAt" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "signature" TEXT NOT NULL,

    CONSTRAINT "AuditTombstone_pkey" PRIMARY KEY ("chain")
);

-- CreateIndex
CREATE INDEX "AuditChain_updatedAt_idx" ON "AuditChain"("updatedAt");

-- (pg_temp last: nobody can put a temporary table in the way of a function that runs as its owner.)
-- What Prisma's schema cannot say: who may write what, and that the trail cannot be changed unseen.

-- The hash of a row over the one before it. Addresses and browsers are in it through personalHash alone.
CREATE FUNCTION "audit_hash"(entry "PaymentAuditLog") RETURNS text LANGUAGE sql IMMUTABLE SET search_path = public, pg_temp AS $$
  SELECT encode(sha256(convert_to(jsonb_build_array(
    entry."previousHash", entry."chain", entry."sequence", entry."id", (extract(epoch FROM entry."createdAt") * 1000)::bigint, entry."action", entry."status"::text,
    entry."userId", entry."orderId", entry."checkoutId", entry."eventId", entry."amount", entry."currency", entry."before", entry."after", entry."error",
    entry."requestId", entry."metadata", entry."personalHash")::text, 'UTF8')), 'hex')
$$;

CREATE FUNCTION "audit_personal_hash"(salt text, address text, agent text) RETURNS text LANGUAGE sql IMMUTABLE AS $$
  SELECT encode(sha256(convert_to(jsonb_build_array(salt, address, agent)::text, 'UTF8')), 'hex')
$$;

-- Numbers and chains one row. It runs as its owner, so that the application needs no right to write the chains.
CREATE FUNCTION "audit_append"() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
  NEW."chain" := COALESCE(NEW."orderId", 'event:' || NEW."eventId", 'checkout:' || NEW."checkoutId", 'user:' || NEW."userId", 'system');
  NEW."personalSalt" := gen_random_uuid()::text;
  NEW."personalHash" := "audit_personal_hash"(NEW."personalSalt", NEW."ipAddress", NEW."userAgent");
  -- Locks the chain until the end of the transaction: its rows are numbered without a gap.
  INSERT INTO "AuditChain" AS c ("chain", "length", "hash") VALUES (NEW."chain", 1, '')
    ON CONFLICT ("chain") DO UPDATE SET "length" = c."length" + 1
    RETURNING c."length", c."hash" INTO NEW."sequence", NEW."previousHash";
  NEW."hash" := "audit_hash"(NEW);
  UPDATE "AuditChain" SET "hash" = NEW."hash", "updatedAt" = now() WHERE "chain" = NEW."chain";
  RETURN NEW;
END $$;

-- Rows from before this migration, in the order in which they were written.
DO $$
DECLARE
  old "PaymentAuditLog";
BEGIN
  FOR old IN SELECT * FROM "PaymentAuditLog" ORDER BY "id" LOOP
    old."chain" := COALESCE(old."orderId", 'event:' || old."eventId", 'checkout:' || old."checkoutId", 'user:' || old."userId", 'system');
    old."personalSalt" := gen_random_uuid()::text;
    old."personalHash" := "audit_personal_hash"(old."personalSalt", old."ipAddress", old."userAgent");
    INSERT INTO "AuditChain" AS c ("chain", "length", "hash") VALUES (old."chain", 1, '')
      ON CONFLICT ("chain") DO UPDATE SET "length" = c."length" + 1
      RETURNING c."length", c."hash" INTO old."sequence", old."previousHash";
    old."hash" := "audit_hash"(old);
    UPDATE "AuditChain" SET "hash" = old."hash", "updatedAt" = old."createdAt" WHERE "chain" = old."chain";
    UPDATE "PaymentAuditLog" SET "chain" = old."chain", "sequence" = old."sequence", "previousHash" = old."previousHash", "hash" = old."hash",
      "personalSalt" = old."personalSalt", "personalHash" = old."personalHash" WHERE "id" = old."id";
  END LOOP;
END $$;

ALTER TABLE "PaymentAuditLog" ALTER COLUMN "chain" SET NOT NULL, ALTER COLUMN "hash" SET NOT NULL, ALTER COLUMN "personalHash" SET NOT NULL,
  ALTER COLUMN "previousHash" SET NOT NULL, ALTER COLUMN "sequence" SET NOT NULL;

-- CreateIndex
CREATE UNIQUE INDEX "PaymentAuditLog_chain_sequence_key" ON "PaymentAuditLog"("chain", "sequence");

CREATE TRIGGER "PaymentAuditLog_append" BEFORE INSERT ON "PaymentAuditLog" FOR EACH ROW EXECUTE FUNCTION "audit_append"();

-- Only the address and the browser may go, and only whole chains, by "audit_remove_chain".
CREATE FUNCTION "audit_is_append_only"() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
BEGIN
  IF TG_OP = 'DELETE' AND current_setting('tillworks.removing_chain', true) = OLD."chain" THEN
    RETURN OLD;
  END IF;
  IF TG_OP = 'UPDATE' AND NEW."ipAddress" IS NULL AND NEW."userAgent" IS NULL AND NEW."personalSalt" IS NULL THEN
    OLD."ipAddress" := NULL;
    OLD."userAgent" := NULL;
    OLD."personalSalt" := NULL;
    IF OLD IS NOT DISTINCT FROM NEW THEN
      RETURN NEW;
    END IF;
  END IF;
  RAISE EXCEPTION 'The audit trail is append-only: row % cannot be changed or removed', OLD."id" USING ERRCODE = 'restrict_violation';
END $$;
CREATE TRIGGER "PaymentAuditLog_append_only" BEFORE UPDATE OR DELETE ON "PaymentAuditLog" FOR EACH ROW EXECUTE FUNCTION "audit_is_append_only"();

CREATE FUNCTION "audit_is_never_emptied"() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'The audit trail is append-only' USING ERRCODE = 'restrict_violation';
END $$;
CREATE TRIGGER "PaymentAuditLog_never_emptied" BEFORE TRUNCATE ON "PaymentAuditLog" FOR EACH STATEMENT EXECUTE FUNCTION "audit_is_never_emptied"();

-- Everything that is wrong with the trail, by row; an empty result is a sound trail.
CREATE FUNCTION "audit_problems"(only_chain text DEFAULT NULL) RETURNS TABLE ("chain" text, "id" bigint, "problem" text)
LANGUAGE sql STABLE SET search_path = public, pg_temp AS $$
  WITH numbered AS (
    SELECT l.*, row_number() OVER w AS place, lag(l."hash") OVER w AS before_hash, lag(l."sequence") OVER w AS before_sequence, "audit_hash"(l) AS computed
    FROM "PaymentAuditLog" l WHERE only_chain IS NULL OR l."chain" = only_chain WINDOW w AS (PARTITION BY l."chain" ORDER BY l."sequence")
  ), ends AS (
    SELECT DISTINCT ON (n."chain") n."chain", n."id", n."sequence", n."hash" FROM numbered n ORDER BY n."chain", n."sequence" DESC
  )
  SELECT n."chain", n."id", 'the row was changed' FROM numbered n WHERE n.computed <> n."hash"
  UNION ALL
  SELECT n."chain", n."id", 'the address or the browser was changed' FROM numbered n
    WHERE n."personalSalt" IS NOT NULL AND n."personalHash" <> "audit_personal_hash"(n."personalSalt", n."ipAddress", n."userAgent")
  UNION ALL
  SELECT n."chain", n."id", 'rows before this one were removed' FROM numbered n WHERE n."sequence" <> COALESCE(n.before_sequence, 0) + 1
  UNION ALL
  SELECT n."chain", n."id", 'the row does not follow the one before it' FROM numbered n
    WHERE n."sequence" = COALESCE(n.before_sequence, 0) + 1 AND n."previousHash" <> COALESCE(n.before_hash, '')
  UNION ALL
  SELECT c."chain", e."id", CASE WHEN e."id" IS NULL THEN 'all rows were removed' ELSE 'rows after this one were removed' END
    FROM "AuditChain" c LEFT JOIN ends e ON e."chain" = c."chain"
    WHERE (only_chain IS NULL OR c."chain" = only_chain) AND (e."id" IS NULL OR e."sequence" <> c."length" OR e."hash" <> c."hash")
  UNION ALL
  SELECT e."chain", e."id", 'the chain is not registered' FROM ends e WHERE NOT EXISTS (SELECT FROM "AuditChain" c WHERE c."chain" = e."chain")
$$;

-- Removes a sound chain whose last row is older than a moment, and leaves a tombstone. False when it is not (any more) so.
CREATE FUNCTION "audit_remove_chain"(old_chain text, last_hash text, older_than timestamptz, tombstone_signature text) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
  head "AuditChain";
BEGIN
  SELECT * INTO head FROM "AuditChain" c WHERE c."chain" = old_chain FOR UPDATE;
  IF head IS NULL OR head."hash" <> last_hash OR EXISTS (SELECT FROM "audit_problems"(old_chain)) THEN
    RETURN false;
  END IF;
  IF EXISTS (SELECT FROM "PaymentAuditLog" l WHERE l."chain" = old_chain AND l."createdAt" >= older_than) THEN
    RETURN false;
  END IF;
  INSERT INTO "AuditTombstone" ("chain", "rows", "firstAt", "lastAt", "lastHash", "signature")
    SELECT old_chain, count(*), min(l."createdAt"), max(l."createdAt"), last_hash, tombstone_signature FROM "PaymentAuditLog" l WHERE l."chain" = old_chain;
  PERFORM set_config('tillworks.removing_chain', old_chain, true);
  DELETE FROM "PaymentAuditLog" l WHERE l."chain" = old_chain;
  PERFORM set_config('tillworks.removing_chain', '', true);
  DELETE FROM "AuditChain" c WHERE c."chain" = old_chain;
  RETURN true;
END $$;

-- Forgets the addresses and browsers of one user; the hashes stay right.
CREATE FUNCTION "audit_forget"(user_id text) RETURNS bigint LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp AS $$
  WITH forgotten AS (
    UPDATE "PaymentAuditLog" SET "ipAddress" = NULL, "userAgent" = NULL, "personalSalt" = NULL
    WHERE "userId" = user_id AND "personalSalt" IS NOT NULL RETURNING 1
  )
  SELECT count(*) FROM forgotten
$$;

-- The application's role: it reads and writes rows, and of the audit trail and the ledger it can only add and read.
DO $$
BEGIN
  IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'tillworks_app') THEN
    CREATE ROLE tillworks_app NOLOGIN;
  END IF;
EXCEPTION
  WHEN duplicate_object OR unique_violation THEN NULL;
END $$;
-- Whoever migrates may act as it, so that one login can do for a small installation. PostgreSQL 16 tells apart whether a
-- member may act as the role; who made it is a member that may not, until it says so.
DO $$
BEGIN
  IF NOT pg_has_role(CURRENT_USER, 'tillworks_app', CASE WHEN current_setting('server_version_num')::int >= 160000 THEN 'SET' ELSE 'MEMBER' END) THEN
    GRANT tillworks_app TO CURRENT_USER;
  END IF;
END $$;
GRANT USAGE ON SCHEMA public TO tillworks_app;
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO tillworks_app;
GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO tillworks_app;
ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO tillworks_app;
ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT USAGE ON SEQUENCES TO tillworks_app;
REVOKE UPDATE, DELETE ON "PaymentAuditLog", "LedgerPosting" FROM tillworks_app;
REVOKE INSERT, UPDATE, DELETE ON "AuditChain", "AuditTombstone" FROM tillworks_app;
REVOKE ALL ON FUNCTION "audit_remove_chain"(text, text, timestamptz, text), "audit_forget"(text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION "audit_remove_chain"(text, text, timestamptz, text), "audit_forget"(text) TO tillworks_app;
-- The migrations are the owner's business; whether they are all there is everybody's.
DO $$
BEGIN
  IF to_regclass('public._prisma_migrations') IS NOT NULL THEN
    REVOKE INSERT, UPDATE, DELETE ON "_prisma_migrations" FROM tillworks_app;
  END IF;
END $$;
