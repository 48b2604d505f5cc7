import { join } from 'node:path'
import { program, type Scene, type Stage } from './stage'

/** The pictures of `examples/session`. */
export const session: Scene[] = [
  {
    name: 'session',
    start: (made) =>
      program('examples/session/main.tsx', [], { DATABASE: join(made, 'session.db') }),
    viewport: { width: 1280, height: 520 },
    show,
  },
]

async function show({ page, open, shoot, shootAll }: Stage): Promise<void> {
  await open()
  await shootAll('sign-in')
  await page.fill('#user', ' ')
  await page.click('text=Sign in')
  await page.locator('.fault').waitFor()
  await shoot('error')
  await page.fill('#user', 'Ada')
  await page.click('main button')
  await page.locator('.hw-log').waitFor()
  await page.getByText('1 signed in').waitFor()
  await shoot('empty')
  for (const note of [
    'Bring the ladder back',
    'Call the museum about the second loan: they want the crates by Thursday, not Friday',
    'Grüße from Zoë & <b>no markup</b>',
  ]) {
    await page.fill('#text', note)
    await page.click('main > form .primary')
    await page.locator('.hw-lines > li', { hasText: note }).waitFor()
  }
  await shootAll()
  await page.getByRole('button', { name: 'Sign out' }).click()
  await page.locator('#user').waitFor()
}
