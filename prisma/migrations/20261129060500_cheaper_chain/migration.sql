-- The same chain and the same hashes at less cost (docs/decisions/0052-the-end-of-a-chain-is-written-once-a-row.md): the trigger computes them
-- itself, since a call of a function that sets its search_path cost more than the hash, and writes the end of the chain once.
CREATE OR REPLACE FUNCTION "audit_append"() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  known boolean := false;
BEGIN
  -- On a table of the caller's own it would move the ends of chains without their rows.
  IF TG_RELID <> 'public."PaymentAuditLog"'::regclass THEN
    RAISE EXCEPTION 'audit_append chains the audit trail alone' USING ERRCODE = 'insufficient_privilege';
  END IF;
  NEW."createdAt" := date_trunc('milliseconds', clock_timestamp());
  NEW."chain" := COALESCE(NEW."orderId", 'event:' || NEW."eventId", 'checkout:' || NEW."checkoutId", 'user:' || NEW."userId",
    CASE WHEN NEW."action" IN ('product_created', 'product_changed') THEN 'product:' || (NEW."after"::jsonb ->> 'id') END, 'system');
  NEW."personalSalt" := CASE WHEN NEW."ipAddress" IS NOT NULL OR NEW."userAgent" IS NOT NULL THEN gen_random_uuid()::text END;
  NEW."personalHash" := encode(sha256(convert_to(jsonb_build_array(NEW."personalSalt", NEW."ipAddress", NEW."userAgent")::text, 'UTF8')), 'hex');
  LOOP
    -- Locks the chain until the end of the transaction: its rows are numbered without a gap.
    SELECT c."length" + 1, c."hash" INTO NEW."sequence", NEW."previousHash" FROM public."AuditChain" c WHERE c."chain" = NEW."chain" FOR NO KEY UPDATE;
    known := FOUND;
    IF NOT known THEN
      NEW."sequence" := 1;
      NEW."previousHash" := '';
    END IF;
    NEW."hash" := encode(sha256(convert_to(jsonb_build_array(
      NEW."previousHash", NEW."chain", NEW."sequence", NEW."id", (extract(epoch FROM NEW."createdAt") * 1000)::bigint, NEW."action", NEW."status"::text,
      NEW."userId", NEW."orderId", NEW."checkoutId", NEW."eventId", NEW."amount", NEW."currency", NEW."before", NEW."after", NEW."error",
      NEW."requestId", NEW."metadata", NEW."personalHash")::text, 'UTF8')), 'hex');
    IF known THEN
      UPDATE public."AuditChain" SET "length" = NEW."sequence", "hash" = NEW."hash", "updatedAt" = NEW."createdAt" WHERE "chain" = NEW."chain";
      RETURN NEW;
    END IF;
    INSERT INTO public."AuditChain" ("chain", "length", "hash", "updatedAt") VALUES (NEW."chain", 1, NEW."hash", NEW."createdAt") ON CONFLICT ("chain") DO NOTHING;
    IF FOUND THEN
      RETURN NEW;
    END IF;
    -- Somebody else has begun it meanwhile and committed.
  END LOOP;
END $$;
