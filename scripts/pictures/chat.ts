import { join } from 'node:path'
import { program, type Scene, type Stage } from './stage'

const viewport = { width: 1280, height: 860 }
const chat = (made: string, env: Record<string, string>) =>
  program('examples/chat-llm/main.tsx', [], { DATABASE: join(made, 'chat.db'), ...env })

/** The pictures of `examples/chat-llm`. */
export const chats: Scene[] = [
  { name: 'chat', start: (made) => chat(made, { CHAT_PACE: '30' }), viewport, show },
  {
    name: 'chat-error',
    // Nobody listens there.
    start: (made) => chat(made, { OPENAI_BASE_URL: 'http://127.0.0.1:9/v1', OPENAI_MODEL: 'm' }),
    viewport,
    async show({ page, open, shoot }) {
      await open()
      await ask(page, 'Is anybody there?')
      await page.locator('.hw-text-error').first().waitFor()
      await shoot('')
    },
  },
]

async function show({ page, open, shoot, shootAll }: Stage): Promise<void> {
  await open()
  await shoot('empty')
  await ask(page, 'What is kept of a log, and what of a state?')
  await page.locator('[data-state="done"]').or(page.locator('.hw-text-format')).first().waitFor()
  await page.locator('[data-stream-active]').first().waitFor({ state: 'detached' })
  await ask(page, 'How does a page resume after a cut?')
  await page.locator('[data-stream-active]').first().waitFor({ state: 'attached' })
  await page.waitForTimeout(2_500)
  await shootAll()
}

async function ask(page: Stage['page'], question: string): Promise<void> {
  await page.fill('#text', question)
  await page.press('#text', 'Enter')
  await page.locator('article', { hasText: question }).first().waitFor()
}
