import { appendFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { program, type Scene, type Stage } from './stage'

/** The pictures of `examples/logs`. */
export const logs: Scene[] = [
  {
    name: 'logs',
    start: (made) => program('examples/logs/main.tsx', [], { FOLDERS: made }),
    viewport: { width: 1280, height: 900 },
    show,
  },
]

const levels = [
  'INFO ',
  'INFO ',
  'DEBUG',
  'INFO ',
  '\x1b[33mWARN\x1b[0m ',
  'INFO ',
  '\x1b[31mERROR\x1b[0m',
]
const said = [
  'request 200 GET /jobs in \x1b[32m4 ms\x1b[0m',
  'request 200 GET /stream in \x1b[32m1 ms\x1b[0m',
  'cache: 812 entries, 3 MB',
  'request 304 GET /style.css',
  'slow query: select * from note where body like ? took \x1b[33m812 ms\x1b[0m',
  'worker 3 took job 42',
  'connection to \x1b[36mdb-2\x1b[0m refused; trying again in 2 s <not markup>',
]

function lines(from: number, count: number): string {
  return Array.from({ length: count }, (_, n) => {
    const at = (from + n) % levels.length
    return `12:00:${String((from + n) % 60).padStart(2, '0')} ${levels[at]} ${said[at]}\n`
  }).join('')
}

async function show({ page, made, open, shoot, shootAll }: Stage): Promise<void> {
  const file = join(made, 'app.log')
  writeFileSync(file, lines(0, 120))
  await open()
  await shoot('empty')
  await page.fill('#file', '/etc/passwd')
  await page.click('.open .primary')
  await page.getByRole('alert').first().waitFor()
  await shoot('error')
  await page.fill('#file', file)
  await page.click('.open .primary')
  await page.locator('.hw-log li').nth(100).waitFor()
  await page.locator('.run button').first().click()
  await page.locator('section.hw-log, .hw-log').nth(1).waitFor()
  appendFileSync(file, lines(120, 30))
  await page.getByText('150', { exact: true }).first().waitFor()
  await shootAll()
}
