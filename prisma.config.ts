import { defineConfig } from 'prisma/config'

const url = process.env.DATABASE_DIRECT_URL ?? process.env.DATABASE_URL

export default defineConfig({
  schema: 'prisma/schema.prisma',
  migrations: { path: 'prisma/migrations' },
  // Only `prisma migrate` needs it; `prisma generate` does not connect.
  ...(url === undefined ? {} : { datasource: { url } })
})
