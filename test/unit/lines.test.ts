/**
 * Lines of a live log: what a terminal's colours become, what is removed, the levels, and how lines are joined.
 */
import { afterEach, describe, expect, test } from 'bun:test'
import fc from 'fast-check'
import { Hub, type LogLines, logLines } from 'headwater'
import { ansi } from '../../src/ansi'
import { levelOf } from '../../src/lines'
import type { LogEvent } from '../../src/log'
import { settled } from '../support/serve'

const hubs: Hub[] = []
afterEach(() => {
  for (const hub of hubs.splice(0)) hub.close()
})

/** The lines of one log as HTML. */
function shown(...lines: string[]): string[] {
  const show = ansi()
  return lines.map((line) => show(line).html)
}

function newHub(): { hub: Hub; events: LogEvent[] } {
  const hub = new Hub({ secret: 'of the tests' })
  hubs.push(hub)
  const events: LogEvent[] = []
  hub.log.follow((all) => void events.push(...all), console.error)
  return { hub, events }
}

function rowsOf(html: string): { n: number; level: string | undefined; text: string }[] {
  return [
    ...html.matchAll(/<li id="[^"]*-(-?\d+)" data-n="\1"(?: data-level="(\w+)")?>(.*?)<\/li>/g),
  ].map(([, n, level, row = '']) => ({
    n: Number(n),
    level,
    text: row.replace(/^<a class="hw-n"[^>]*>-?\d+<\/a>/, '').replace(/<[^>]*>/g, ''),
  }))
}

const kept = async (log: LogLines) => rowsOf((await log.read()).html)

describe('colours', () => {
  test('D-22 become classes, hold over the ends of lines, and end where they are changed', () => {
    expect(shown('\x1b[31mred', 'still', 'now\x1b[0m not', 'plain')).toEqual([
      '<span class="hw-fg-red">red</span>',
      '<span class="hw-fg-red">still</span>',
      '<span class="hw-fg-red">now</span> not',
      'plain',
    ])
    expect(shown('\x1b[1;3;4;9;92;41mx')).toEqual([
      '<span class="hw-bold hw-italic hw-underline hw-strike hw-fg-bright-green hw-bg-red">x</span>',
    ])
    expect(shown('\x1b[7ma\x1b[31mb\x1b[27mc')).toEqual([
      '<span class="hw-reverse">a</span><span class="hw-bg-red">b</span><span class="hw-fg-red">c</span>',
    ])
    // As grep writes it, with an erase after each, and a reset without its 0.
    expect(shown('\x1b[01;31m\x1b[Kmatch\x1b[m\x1b[K rest')).toEqual([
      '<span class="hw-bold hw-fg-red">match</span> rest',
    ])
    expect(shown('\x1b[1;31;0mnone\x1b[0;32mgreen')).toEqual([
      'none<span class="hw-fg-green">green</span>',
    ])
  })

  test('D-22 of 256 and of 16 million become the nearest of 16, in both spellings', () => {
    expect(
      shown(
        '\x1b[38;5;196ma\x1b[38;5;12mb\x1b[38;2;10;190;10mc\x1b[38:2::10:190:10md\x1b[48:5:21me',
      )[0],
    ).toBe(
      '<span class="hw-fg-red">a</span><span class="hw-fg-bright-blue">b</span><span class="hw-fg-green">c</span>' +
        '<span class="hw-fg-green">d</span><span class="hw-fg-green hw-bg-blue">e</span>',
    )
    expect(shown('\x1b[38;5;999mx\x1b[38;5mx\x1b[38;2;9mx\x1b[38;2;999;999;999mx')[0]).toMatch(
      /^(x|<span class="[\w -]+">x<\/span>)+$/,
    )
  })

  test('D-22 all other sequences are removed, and no link comes of them', () => {
    expect(
      shown(
        '\x1b]8;;javascript:alert(1)\x07link\x1b]8;;\x07!',
        '\x1b]0;a title\x1b\\text',
        '\x1b[2J\x1b[10;3Hmoved\x1b[?25l\x1b[K',
        '\x1bc\x1b(B\x1b=keys\x1bM',
        '\x1bP1$r\x1b\\x\x1b_secret\x1b\\y',
        '\x9b31mc1\x9b0m',
        'bell\x07 back\x08 nul\0 del\x7f',
        'tab\tstays',
      ),
    ).toEqual([
      'link!',
      'text',
      'moved',
      'keys',
      'xy',
      '<span class="hw-fg-red">c1</span>',
      'bell back nul del',
      'tab\tstays',
    ])
  })

  test('D-22 a sequence without an end hides nothing of what follows', () => {
    expect(shown('a\x1b]0;never ended', 'b\x1b[31', 'c\x1b[', 'd\x1b', 'e', '\x1b[é')).toEqual([
      'a0;never ended',
      'b',
      'c',
      'd',
      'e',
      'é',
    ])
  })

  test('D-22 of a line that was overwritten the last is shown, in the colour that held then', () => {
    expect(shown('10%\r50%\r100%', 'windows\r', '\x1b[33m1\r2\x1b[0m', '\r')).toEqual([
      '100%',
      'windows',
      '<span class="hw-fg-yellow">2</span>',
      '',
    ])
  })

  test('D-22 hostile text is inert: no tag, attribute or character comes through that is not ours', () => {
    const pieces = fc.constantFrom(
      '<script>alert(1)</script>',
      '"><img src=x onerror=alert(1)>',
      '</li><li>',
      '</hx-partial>',
      '<hx-partial data-op="whole">',
      "' style='x",
      '&lt;b&gt;',
      '&#13;',
      '\x1b[31m',
      '\x1b[38;2;1;2;3m',
      '\x1b[<img>m',
      '\x1b]8;;http://x/"onclick=alert(1)\x07',
      '\x1b[0m',
      '\x1b[',
      ';',
      '\r',
      '\0',
      '\ud800',
      '\u202e',
      'text',
    )
    fc.assert(
      fc.property(fc.array(fc.array(fc.oneof(pieces, fc.string()), { maxLength: 8 })), (lines) => {
        for (const html of shown(...lines.map((line) => line.join('').replaceAll('\n', '')))) {
          const rest = html.replace(/<span class="(?:hw-[a-z-]+ ?)+">|<\/span>/g, '')
          for (const strange of '<>"\'\0\r\x1b') expect(rest).not.toContain(strange)
          expect(rest.replace(/&(?:lt|gt|amp|quot|#x27|#39);/g, '')).not.toContain('&')
          expect(html.isWellFormed()).toBe(true)
          expect(html.split('<span').length).toBe(html.split('</span>').length)
        }
      }),
    )
  })
})

test('D-22 a level is what a line says itself, and not any word in it', () => {
  const levels: Record<string, string[]> = {
    error: [
      'ERROR it broke',
      '2026-11-21T16:33:04.123Z [main] ERROR it broke',
      '2026/11/21 16:33:04 [error] 123#0: open() failed',
      'error: it broke',
      'fatal: not a repository',
      '{"level":"error","message":"x"}',
      'src/a.ts(3,4): error TS2304: x',
      'panic: x',
    ],
    warn: [
      'level=warn msg=x',
      'Warning: x',
      'Nov 21 16:33:04 host app[1]: warning: x',
      '12:00 WARN x',
    ],
    info: ['INFO x', '[info] x', 'notice: x'],
    debug: ['DEBUG x', '12:00:01 debug x', 'trace: x'],
    none: [
      'GET /error/page 200',
      'there was no error found',
      '0 errors',
      'error-page.html was read',
      'information: x',
      'the long way to a line that says at its very end that there was an ERROR',
      '',
    ],
  }
  for (const [level, lines] of Object.entries(levels)) {
    for (const line of lines) expect([line, levelOf(line) ?? 'none']).toEqual([line, level])
  }
  const long = `${'['.repeat(50_000)}error`
  expect(levelOf(long)).toBeUndefined()
})

describe('lines', () => {
  test('D-22 are numbered rows with an id, a link and a level; what is indented belongs to what is before it', async () => {
    const { hub } = newHub()
    const log = logLines(hub, 'build:7')
    log.push('one <b>\nERROR two\n    at three\n')
    log.push({ text: 'four', level: 'warn' })
    log.push([{ text: 'ten', n: 10 }, 'eleven'])
    expect(await kept(log)).toEqual([
      { n: 1, level: undefined, text: 'one &lt;b&gt;' },
      { n: 2, level: 'error', text: 'ERROR two' },
      { n: 3, level: 'error', text: '    at three' },
      { n: 4, level: 'warn', text: 'four' },
      { n: 10, level: undefined, text: 'ten' },
      { n: 11, level: undefined, text: 'eleven' },
    ])
    expect((await log.read()).html).toStartWith(
      '<li id="log-build-7-1" data-n="1"><a class="hw-n" href="#log-build-7-1" tabindex="-1">1</a><span class="hw-line">one &lt;b&gt;</span></li>',
    )
    expect(log.next).toBe(12)
  })

  test('D-22 the first goes at once, and what comes within the window goes together', async () => {
    const { hub, events } = newHub()
    const log = logLines(hub, 'log:1', { window: 50 })
    for (let i = 0; i < 100; i++) log.push(`${i}`)
    await Bun.sleep(0)
    expect(events).toHaveLength(1)
    expect(rowsOf(events[0]?.data ?? '')).toHaveLength(1)
    const began = performance.now()
    while (events.length < 2 && performance.now() - began < 5_000) await Bun.sleep(1)
    expect(rowsOf(events[1]?.data ?? '')).toHaveLength(99)
    expect(events[1]?.data.split('<li', 1)).toEqual([
      '<hx-partial data-op="lines" hx-target="[sse-swap=&#x27;log\\3A 1&#x27;]" hx-swap="beforeend settle:0ms" data-limit="1000">',
    ])
    await log.flush()
    expect(events).toHaveLength(2)
  })

  test('D-22 an event has some 64 KB at most, and of more than may be shown the newest are sent alone', async () => {
    const { hub, events } = newHub()
    const log = logLines(hub, 'log:1', { max: 500 })
    log.push(Array.from({ length: 100_000 }, (_, i) => `${i + 1} ${'x'.repeat(1_000)}`))
    await log.flush()
    const rows = events.flatMap(({ data }) => rowsOf(data))
    expect(rows.map(({ n }) => n)).toEqual(Array.from({ length: 500 }, (_, i) => 99_501 + i))
    for (const { data } of events) expect(data.length).toBeLessThan(66_000)
    expect(events.length).toBeGreaterThan(5)
    expect((await kept(log)).map(({ n }) => n)).toEqual(rows.map(({ n }) => n))
  })

  test('D-22 colours go on through lines that are not sent', async () => {
    const { hub } = newHub()
    const log = logLines(hub, 'log:1', { max: 2 })
    log.push(['\x1b[31mred', ...Array<string>(10).fill('x')])
    expect((await log.read()).html).toContain('<span class="hw-fg-red">x</span>')
  })

  test('D-22 a line of megabytes is cut, says so, and its colour does not run on', async () => {
    const { hub } = newHub()
    const log = logLines(hub, 'log:1')
    log.push([`\x1b[31m${'x'.repeat(5_000_000)}\x1b[0m`, 'next'])
    const { html } = await log.read()
    expect(html.length).toBeLessThan(6_000)
    expect(html).toContain('<span class="hw-cut">… 4995913 more characters</span>')
    expect(html).toContain('<span class="hw-line">next</span>')
  })

  test('D-22 the log keeps no more than the newest, however many came', async () => {
    const { hub } = newHub()
    const log = logLines(hub, 'log:1', { max: 50, window: 0 })
    for (let i = 1; i <= 5_000; i++) {
      log.push(`${i}`)
      if (i % 10 === 0) await log.flush()
    }
    expect((await kept(log)).map(({ n }) => n)).toEqual(
      Array.from({ length: 50 }, (_, i) => 4_951 + i),
    )
    const pieces = async () => (await hub.log.last(log.topic, 1_000_000)).map(({ data }) => data)
    // Compacting comes behind.
    await settled(async () => (await pieces()).join('').length < 400_000)
  })

  test('D-22 rows of earlier lines look as the live ones do', async () => {
    const { hub } = newHub()
    const log = logLines(hub, 'log:1')
    log.push(['\x1b[31mERROR a\x1b[0m', 'b'])
    const { html } = await log.read()
    expect(
      log.rows([
        { n: 1, text: '\x1b[31mERROR a\x1b[0m' },
        { n: 2, text: 'b' },
      ]),
    ).toBe(html)
  })

  test('D-22 what is no number of lines, no time or no log is refused', () => {
    const { hub } = newHub()
    hub.topic('state:*', { kind: 'state' })
    expect(() => logLines(hub, 'log:1', { max: 0 })).toThrow(TypeError)
    expect(() => logLines(hub, 'log:1', { window: -1 })).toThrow(TypeError)
    expect(() => logLines(hub, 'log:*')).toThrow(TypeError)
    expect(() => logLines(hub, 'state:1')).toThrow(TypeError)
  })
})

test('D-22 every colour of a terminal can be read on every ground of it, in light and dark', async () => {
  const css = await Bun.file(new URL('../../components/theme.css', import.meta.url)).text()
  const pairs = (name: RegExp) =>
    [...css.matchAll(name)].map(([, of, light, dark]) => ({ of, light, dark }) as Pair)
  const inks = pairs(/\.hw-fg-([\w-]+)\) \{\s*color: light-dark\((#\w{6}), (#\w{6})\)/g)
  const grounds = pairs(/\.hw-bg-([\w-]+)\) \{\s*background: light-dark\((#\w{6}), (#\w{6})\)/g)
  expect([inks.length, grounds.length]).toEqual([16, 16])
  const text = pairs(/--hw-(text|muted): light-dark\((#\w{6}), (#\w{6})\)/g)
  const plain = pairs(/--hw-(bg|surface): light-dark\((#\w{6}), (#\w{6})\)/g)
  expect([text.length, plain.length]).toEqual([2, 2])
  const faint: string[] = []
  for (const scheme of ['light', 'dark'] as const) {
    for (const ink of [...inks, ...text]) {
      for (const ground of [...grounds, ...plain]) {
        if (contrast(ink[scheme], ground[scheme]) < 4.5) {
          faint.push(`${ink.of} on ${ground.of} in ${scheme}`)
        }
      }
    }
  }
  expect(faint).toEqual([])
})

interface Pair {
  of: string
  light: string
  dark: string
}

/** As WCAG 2 defines it. */
function contrast(a: string, b: string): number {
  const [more = 0, less = 0] = [luminance(a), luminance(b)].sort((x, y) => y - x)
  return (more + 0.05) / (less + 0.05)
}

function luminance(hex: string): number {
  const [r = 0, g = 0, b = 0] = [1, 3, 5].map((at) => {
    const value = Number.parseInt(hex.slice(at, at + 2), 16) / 255
    return value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4
  })
  return 0.2126 * r + 0.7152 * g + 0.0722 * b
}
