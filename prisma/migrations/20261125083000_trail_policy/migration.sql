-- How long the trail has to be kept is said here, and only the owner (whoever migrates) can say something else: what the
-- functions below remove or forget follows from this row, the database's clock and what the trigger has written, never
-- from what their caller claims.

-- CreateTable
CREATE TABLE "AuditPolicy" (
    "id" INTEGER NOT NULL DEFAULT 1,
    "chainDays" INTEGER NOT NULL,
    "addressDays" INTEGER NOT NULL,

    CONSTRAINT "AuditPolicy_pkey" PRIMARY KEY ("id")
);
ALTER TABLE "AuditPolicy" ADD CONSTRAINT "AuditPolicy_check" CHECK ("id" = 1 AND "chainDays" >= 1 AND "addressDays" >= 1);
INSERT INTO "AuditPolicy" ("chainDays", "addressDays") VALUES (365, 90);
-- The default privileges of the audit_chain migration gave more.
REVOKE ALL ON "AuditPolicy" FROM tillworks_app;
GRANT SELECT ON "AuditPolicy" TO tillworks_app;

-- A chain that begins again after its removal (a late dispute) can be removed again.
-- AlterTable
ALTER TABLE "AuditTombstone" DROP CONSTRAINT "AuditTombstone_pkey",
ADD CONSTRAINT "AuditTombstone_pkey" PRIMARY KEY ("chain", "lastHash");

-- AlterTable
ALTER TABLE "Checkpoint" ADD COLUMN     "value" JSONB;

-- What the application may say of a row. Its time, number, place in the chain and hashes are the trigger's.
REVOKE INSERT ON "PaymentAuditLog" FROM tillworks_app;
GRANT INSERT ("action", "status", "userId", "orderId", "checkoutId", "eventId", "amount", "currency", "before", "after", "error",
  "ipAddress", "userAgent", "requestId", "metadata") ON "PaymentAuditLog" TO tillworks_app;

-- Before PostgreSQL 15 everybody could create functions here, and one that fits better than a built-in one would be called.
REVOKE CREATE ON SCHEMA public FROM PUBLIC;

-- Names of built-in functions mean those of pg_catalog from here on, whatever else there is; pg_temp is last, so that no
-- temporary table stands in the way.
CREATE OR REPLACE FUNCTION "audit_hash"(entry "PaymentAuditLog") RETURNS text LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $$
  SELECT encode(sha256(convert_to(jsonb_build_array(
    entry."previousHash", entry."chain", entry."sequence", entry."id", (extract(epoch FROM entry."createdAt") * 1000)::bigint, entry."action", entry."status"::text,
    entry."userId", entry."orderId", entry."checkoutId", entry."eventId", entry."amount", entry."currency", entry."before", entry."after", entry."error",
    entry."requestId", entry."metadata", entry."personalHash")::text, 'UTF8')), 'hex')
$$;

CREATE OR REPLACE FUNCTION "audit_personal_hash"(salt text, address text, agent text) RETURNS text LANGUAGE sql IMMUTABLE AS $$
  SELECT pg_catalog.encode(pg_catalog.sha256(pg_catalog.convert_to(pg_catalog.jsonb_build_array(salt, address, agent)::text, 'UTF8')), 'hex')
$$;

-- Numbers and chains one row, at the database's time. A row without address and browser has nothing to forget and no salt.
CREATE OR REPLACE FUNCTION "audit_append"() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  -- On a table of the caller's own it would move the ends of chains without their rows.
  IF TG_RELID <> 'public."PaymentAuditLog"'::regclass THEN
    RAISE EXCEPTION 'audit_append chains the audit trail alone' USING ERRCODE = 'insufficient_privilege';
  END IF;
  NEW."createdAt" := date_trunc('milliseconds', clock_timestamp());
  NEW."chain" := COALESCE(NEW."orderId", 'event:' || NEW."eventId", 'checkout:' || NEW."checkoutId", 'user:' || NEW."userId", 'system');
  NEW."personalSalt" := CASE WHEN NEW."ipAddress" IS NOT NULL OR NEW."userAgent" IS NOT NULL THEN gen_random_uuid()::text END;
  NEW."personalHash" := public."audit_personal_hash"(NEW."personalSalt", NEW."ipAddress", NEW."userAgent");
  -- Locks the chain until the end of the transaction: its rows are numbered without a gap.
  INSERT INTO public."AuditChain" AS c ("chain", "length", "hash") VALUES (NEW."chain", 1, '')
    ON CONFLICT ("chain") DO UPDATE SET "length" = c."length" + 1
    RETURNING c."length", c."hash" INTO NEW."sequence", NEW."previousHash";
  NEW."hash" := public."audit_hash"(NEW);
  UPDATE public."AuditChain" SET "hash" = NEW."hash", "updatedAt" = NEW."createdAt" WHERE "chain" = NEW."chain";
  RETURN NEW;
END $$;
-- A trigger fires without it; it is what somebody needs who wants to fire it from elsewhere.
REVOKE ALL ON FUNCTION "audit_append"() FROM PUBLIC;

-- What is wrong with the next rows after one, in the order of chain and sequence: at most so many, of all chains or of
-- one. A row never changes and is visible together with those before it, so that what is appended meanwhile looks right.
-- When the row to go on after is gone with its chain, the chain is read from its beginning.
CREATE FUNCTION "audit_row_problems"(after_chain text, after_sequence integer, after_hash text, most integer, only_chain text DEFAULT NULL)
RETURNS TABLE ("checked" integer, "chains" integer, "lastChain" text, "lastSequence" integer, "lastHash" text, "problems" jsonb)
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  first_chain text := COALESCE(only_chain, after_chain, '');
  known integer;
BEGIN
  SELECT l."sequence" INTO known FROM public."PaymentAuditLog" l
    WHERE l."chain" = after_chain AND l."sequence" = after_sequence AND l."hash" = after_hash;
  RETURN QUERY EXECUTE format($query$
    WITH slice AS MATERIALIZED (
      SELECT l AS entry, l."id", l."chain", l."sequence", l."hash", l."previousHash", l."personalSalt", l."personalHash", l."ipAddress", l."userAgent"
      FROM public."PaymentAuditLog" l WHERE %s ORDER BY l."chain", l."sequence" LIMIT $4
    ), numbered AS (
      SELECT s.*, public."audit_hash"(s.entry) AS computed,
        COALESCE(lag(s."sequence") OVER w, CASE WHEN s."chain" = $1 THEN $2 END, 0) AS before_sequence,
        COALESCE(lag(s."hash") OVER w, CASE WHEN s."chain" = $1 AND $2 IS NOT NULL THEN $3 END, '') AS before_hash
      FROM slice s WINDOW w AS (PARTITION BY s."chain" ORDER BY s."sequence")
    ), problem AS (
      SELECT n."chain", n."id", 'the row was changed' AS problem FROM numbered n WHERE n.computed <> n."hash"
      UNION ALL
      SELECT n."chain", n."id", 'the address or the browser was changed' FROM numbered n
        WHERE CASE WHEN n."personalSalt" IS NULL THEN n."ipAddress" IS NOT NULL OR n."userAgent" IS NOT NULL
          ELSE n."personalHash" <> public."audit_personal_hash"(n."personalSalt", n."ipAddress", n."userAgent") END
      UNION ALL
      SELECT n."chain", n."id", 'rows before this one were removed' FROM numbered n WHERE n."sequence" <> n.before_sequence + 1
      UNION ALL
      SELECT n."chain", n."id", 'the row does not follow the one before it' FROM numbered n
        WHERE n."sequence" = n.before_sequence + 1 AND n."previousHash" <> n.before_hash
      UNION ALL
      SELECT n."chain", n."id", 'the chain is not registered' FROM numbered n
        WHERE n.before_sequence = 0 AND NOT EXISTS (SELECT FROM public."AuditChain" c WHERE c."chain" = n."chain")
    ), ending AS (
      SELECT s."chain", s."sequence", s."hash" FROM slice s ORDER BY s."chain" DESC, s."sequence" DESC LIMIT 1
    )
    SELECT (SELECT count(*)::integer FROM slice), (SELECT count(*)::integer FROM numbered n WHERE n.before_sequence = 0),
      e."chain", e."sequence", e."hash",
      (SELECT COALESCE(jsonb_agg(jsonb_build_object('chain', p."chain", 'id', p."id", 'problem', p.problem) ORDER BY p."chain", p."id"), '[]') FROM problem p)
    FROM (SELECT) AS one LEFT JOIN ending e ON true
  $query$, CASE WHEN only_chain IS NULL THEN '(l."chain", l."sequence") > ($1, COALESCE($2, -2147483648))'
    ELSE 'l."chain" = $1 AND l."sequence" > COALESCE($2, -2147483648)' END)
  USING first_chain, known, after_hash, most;
END $$;

-- What is wrong with the registered ends of the next chains after one: both are of one moment, so that what is appended
-- meanwhile looks right.
CREATE FUNCTION "audit_end_problems"(after_chain text, most integer, only_chain text DEFAULT NULL)
RETURNS TABLE ("checked" integer, "lastChain" text, "problems" jsonb)
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
  WITH slice AS MATERIALIZED (
    (SELECT c.* FROM public."AuditChain" c WHERE only_chain IS NULL AND c."chain" > COALESCE(after_chain, '') ORDER BY c."chain" LIMIT most)
    UNION ALL
    (SELECT c.* FROM public."AuditChain" c WHERE c."chain" = only_chain)
  ), problem AS (
    SELECT c."chain", e."id", CASE WHEN e."id" IS NULL THEN 'all rows were removed' ELSE 'rows after this one were removed' END AS problem
    FROM slice c LEFT JOIN LATERAL (
      SELECT l."id", l."sequence", l."hash" FROM public."PaymentAuditLog" l WHERE l."chain" = c."chain" ORDER BY l."sequence" DESC LIMIT 1
    ) e ON true
    WHERE e."id" IS NULL OR e."sequence" <> c."length" OR e."hash" <> c."hash"
  )
  SELECT (SELECT count(*)::integer FROM slice), (SELECT max(s."chain") FROM slice s),
    (SELECT COALESCE(jsonb_agg(jsonb_build_object('chain', p."chain", 'id', p."id", 'problem', p.problem) ORDER BY p."chain"), '[]') FROM problem p)
$$;

-- Everything that is wrong with one chain, or with all in one statement (for small trails, and for releases before this).
CREATE OR REPLACE FUNCTION "audit_problems"(only_chain text DEFAULT NULL) RETURNS TABLE ("chain" text, "id" bigint, "problem" text)
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
  SELECT p."chain", p."id", p."problem" FROM public."audit_row_problems"(NULL, NULL, NULL, NULL, only_chain) r,
    jsonb_to_recordset(r."problems") AS p("chain" text, "id" bigint, "problem" text)
  UNION ALL
  SELECT p."chain", p."id", p."problem" FROM public."audit_end_problems"(NULL, NULL, only_chain) e,
    jsonb_to_recordset(e."problems") AS p("chain" text, "id" bigint, "problem" text)
$$;

-- Removes a sound chain whose last row is older than the policy says, or than the caller says if that is longer ago, and
-- leaves a tombstone. False when it is not (any more) so.
CREATE OR REPLACE FUNCTION "audit_remove_chain"(old_chain text, last_hash text, older_than timestamptz, tombstone_signature text) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  head public."AuditChain";
  bound timestamptz;
BEGIN
  -- STRICT: without a policy nothing is removed. LEAST leaves out a NULL.
  SELECT LEAST(older_than, clock_timestamp() - make_interval(days => p."chainDays")) INTO STRICT bound FROM public."AuditPolicy" p;
  SELECT * INTO head FROM public."AuditChain" c WHERE c."chain" = old_chain FOR UPDATE;
  IF NOT FOUND OR head."hash" IS DISTINCT FROM last_hash OR head."updatedAt" >= bound
    OR EXISTS (SELECT FROM public."PaymentAuditLog" l WHERE l."chain" = old_chain AND l."createdAt" >= bound)
    OR EXISTS (SELECT FROM public."audit_problems"(old_chain)) THEN
    RETURN false;
  END IF;
  INSERT INTO public."AuditTombstone" ("chain", "rows", "firstAt", "lastAt", "lastHash", "signature")
    SELECT old_chain, count(*), min(l."createdAt"), max(l."createdAt"), head."hash", tombstone_signature
    FROM public."PaymentAuditLog" l WHERE l."chain" = old_chain;
  PERFORM set_config('tillworks.removing_chain', old_chain, true);
  DELETE FROM public."PaymentAuditLog" l WHERE l."chain" = old_chain;
  PERFORM set_config('tillworks.removing_chain', '', true);
  DELETE FROM public."AuditChain" c WHERE c."chain" = old_chain;
  RETURN true;
END $$;

-- Forgets the addresses and browsers in up to `most` rows of one user (NULL: all), and writes that down, with the login
-- that did it: whoever covers traces with it leaves this one. The hashes stay right.
DROP FUNCTION "audit_forget"(text);
CREATE FUNCTION "audit_forget"(user_id text, forgotten_by text DEFAULT NULL, because text DEFAULT NULL, most integer DEFAULT NULL) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  forgotten bigint;
BEGIN
  UPDATE public."PaymentAuditLog" SET "ipAddress" = NULL, "userAgent" = NULL, "personalSalt" = NULL
    WHERE "id" IN (SELECT l."id" FROM public."PaymentAuditLog" l WHERE l."userId" = user_id AND l."personalSalt" IS NOT NULL LIMIT most);
  GET DIAGNOSTICS forgotten = ROW_COUNT;
  IF forgotten > 0 THEN
    INSERT INTO public."PaymentAuditLog" ("action", "status", "userId", "metadata") VALUES ('addresses_forgotten', 'SUCCESS', user_id,
      jsonb_build_object('rows', forgotten, 'operator', left(forgotten_by, 255), 'reason', left(because, 1000), 'login', session_user));
  END IF;
  RETURN forgotten;
END $$;

-- Forgets the addresses and browsers in up to `most` rows that are older than the policy says, or than the caller says if
-- that is longer ago.
CREATE FUNCTION "audit_forget_before"(older_than timestamptz, most integer) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  bound timestamptz;
  forgotten bigint;
BEGIN
  SELECT LEAST(older_than, clock_timestamp() - make_interval(days => p."addressDays")) INTO STRICT bound FROM public."AuditPolicy" p;
  UPDATE public."PaymentAuditLog" SET "ipAddress" = NULL, "userAgent" = NULL, "personalSalt" = NULL
    WHERE "id" IN (SELECT l."id" FROM public."PaymentAuditLog" l WHERE l."createdAt" < bound AND l."personalSalt" IS NOT NULL
      ORDER BY l."createdAt" LIMIT most);
  GET DIAGNOSTICS forgotten = ROW_COUNT;
  RETURN forgotten;
END $$;

-- A change of the policy is in the trail.
CREATE FUNCTION "audit_policy_changed"() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  INSERT INTO public."PaymentAuditLog" ("action", "status", "metadata") VALUES ('audit_policy_changed', 'SUCCESS',
    jsonb_build_object('before', to_jsonb(OLD) - 'id', 'after', to_jsonb(NEW) - 'id', 'login', session_user));
  RETURN NULL;
END $$;
CREATE TRIGGER "AuditPolicy_changed" AFTER UPDATE ON "AuditPolicy" FOR EACH ROW WHEN (OLD IS DISTINCT FROM NEW) EXECUTE FUNCTION "audit_policy_changed"();

REVOKE ALL ON FUNCTION "audit_forget"(text, text, text, integer), "audit_forget_before"(timestamptz, integer), "audit_policy_changed"() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION "audit_forget"(text, text, text, integer), "audit_forget_before"(timestamptz, integer) TO tillworks_app;
