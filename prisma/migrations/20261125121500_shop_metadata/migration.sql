-- For `retention`: orders that a release before has forgotten, which did not know of the shop's own metadata.
CREATE INDEX "Order_metadata_idx" ON "Order"("updatedAt") WHERE "metadata" IS NOT NULL;
