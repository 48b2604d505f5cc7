import { defineConfig } from 'drizzle-kit'

// bunx drizzle-kit generate --config examples/chat-llm/drizzle.config.ts
export default defineConfig({
  dialect: 'sqlite',
  schema: './examples/chat-llm/schema.ts',
  out: './examples/chat-llm/drizzle',
})
