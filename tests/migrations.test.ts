import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import pg from 'pg'
import { HELD_FROM, lockingProblems } from '../prisma/migration-rules.js'
import { isLockTimeout, runScript } from '../prisma/run-script.js'
import { migrationNames, migrationsDir } from '../shared/database/migration-names.js'
import { NO_SCHEDULES } from './support/settings.js'
import { openShop, withShop } from './support/shop.js'

const held = migrationNames().filter(name => name >= HELD_FROM)

test.each(held)('%s holds back nobody', name => {
  expect(lockingProblems(readFileSync(join(migrationsDir, name, 'migration.sql'), 'utf8'))).toEqual([])
})

test.each([
  'CREATE INDEX "a_idx" ON "Order"("a")',
  'create unique index a_idx on "Order"("a")',
  'DROP INDEX "a_idx"',
  'CREATE INDEX CONCURRENTLY "a_idx" ON "Order"("a"); SELECT 1',
  'ALTER TABLE "Order" ADD CONSTRAINT "a_check" CHECK ("a" > 0)',
  'ALTER TABLE "Order" ADD COLUMN "b" INT, ADD CONSTRAINT "a_fkey" FOREIGN KEY ("a") REFERENCES "B"("id")',
  'ALTER TABLE "Order" ADD CONSTRAINT "a_key" UNIQUE ("a")',
  'ALTER TABLE "Order" ALTER COLUMN "a" SET NOT NULL',
  'ALTER TABLE "Order" ALTER COLUMN "a" TYPE BIGINT',
  'ALTER TABLE "Order" ALTER COLUMN "a" SET DATA TYPE BIGINT',
  'ALTER TABLE "Order" ADD COLUMN "a" UUID NOT NULL DEFAULT gen_random_uuid()',
  'ALTER TABLE "Order" ADD COLUMN "a" BIGSERIAL',
  'ALTER TABLE "Order" DROP COLUMN "a"',
  'ALTER TABLE "Order" RENAME COLUMN "a" TO "b"',
  'DROP TABLE "Order"',
  'UPDATE "Order" SET "a" = 1',
  'DELETE FROM "Order" WHERE "a" = 1',
  'LOCK TABLE "Order"',
  'TRUNCATE "Order"',
  'REINDEX TABLE "Order"'
])('would be found: %s', sql => {
  expect(lockingProblems(`-- A migration\n${sql};\n`)).toHaveLength(1)
})

test.each([
  'CREATE TABLE "New" ("id" TEXT NOT NULL); CREATE INDEX "New_idx" ON "New"("id"); UPDATE "New" SET "id" = 1',
  'CREATE INDEX CONCURRENTLY "a_idx" ON "Order"("a")',
  'ALTER TABLE "Order" ADD CONSTRAINT "a_check" CHECK ("a" > 0) NOT VALID',
  'ALTER TABLE "Order" VALIDATE CONSTRAINT "a_check"',
  'ALTER TABLE "Order" ADD COLUMN "a" INT NOT NULL DEFAULT 0',
  'CREATE FUNCTION f() RETURNS void LANGUAGE sql AS $$ UPDATE "Order" SET "a" = 1; DROP TABLE "Order" $$',
  `SELECT 'x; DROP TABLE "Order"' -- UPDATE "Order"`
])('may be: %s', sql => {
  expect(lockingProblems(sql)).toEqual([])
})

test('a migration that waits for a lock lets the others through, and goes on once it is free', async () => {
  await withShop(openShop('postgres', NO_SCHEDULES), async ({ stack }) => {
    const pool = new pg.Pool({ connectionString: stack.config.database.url })
    const reader = await pool.connect()
    await reader.query('BEGIN; SELECT FROM "Product" LIMIT 1')
    const patience = { lockTimeoutMs: 100, tries: 2, pauseMs: 100 }
    const script = 'ALTER TABLE "Product" ADD COLUMN "colour" TEXT; ALTER TABLE "Product" ADD COLUMN "size" TEXT'
    const given = await runScript(pool, script, patience).catch((error: unknown) => error)
    expect(isLockTimeout(given)).toBe(true)

    const waiting = runScript(pool, script, { ...patience, tries: 200 })
    // Behind the lock that is waited for, these would wait for as long as the first reader takes.
    for (let round = 0; round < 20; round++) await pool.query('SELECT FROM "Product" LIMIT 1')
    await reader.query('COMMIT')
    reader.release()
    await waiting
    const { rows } = await pool.query(
      `SELECT column_name FROM information_schema.columns WHERE table_name = 'Product' AND column_name IN ('colour', 'size')`
    )
    expect(rows).toHaveLength(2)
    await expect(pool.query('SHOW lock_timeout')).resolves.toMatchObject({ rows: [{ lock_timeout: '0' }] })
    await pool.end()
  })
})
