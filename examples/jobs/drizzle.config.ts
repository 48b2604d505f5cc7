import { defineConfig } from 'drizzle-kit'

// bunx drizzle-kit generate --config examples/jobs/drizzle.config.ts
export default defineConfig({
  dialect: 'sqlite',
  schema: './examples/jobs/schema.ts',
  out: './examples/jobs/drizzle',
})
