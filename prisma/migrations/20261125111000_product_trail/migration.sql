-- A product has a chain of its own, as an order has: an import of thousands would hold back whoever else writes into "system",
-- and the trail of one product is read by its chain.
CREATE OR REPLACE FUNCTION "audit_append"() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  -- On a table of the caller's own it would move the ends of chains without their rows.
  IF TG_RELID <> 'public."PaymentAuditLog"'::regclass THEN
    RAISE EXCEPTION 'audit_append chains the audit trail alone' USING ERRCODE = 'insufficient_privilege';
  END IF;
  NEW."createdAt" := date_trunc('milliseconds', clock_timestamp());
  NEW."chain" := COALESCE(NEW."orderId", 'event:' || NEW."eventId", 'checkout:' || NEW."checkoutId", 'user:' || NEW."userId",
    CASE WHEN NEW."action" IN ('product_created', 'product_changed') THEN 'product:' || (NEW."after"::jsonb ->> 'id') END, 'system');
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
