/**
 * Lines of a live log: what a terminal's colours become, what is removed, the levels, and how lines are joined.
 */
import { afterEach, describe, expect, spyOn, test } from 'bun:test'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { Hub, type LogLines, logLines, swap } from 'headwater'
import { memoryLog } from 'headwater/log'
import { ansi } from '../../src/ansi'
import { levelOf } from '../../src/level'
import type { LogEvent } from '../../src/log'
import { unescapeText } from '../../src/text-wire'
import { lateLog } from '../support/late-log'
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

function newHub(): { hub: Hub; events: LogEvent[]; errors: unknown[] } {
  const errors: unknown[] = []
  const hub = new Hub({ secret: 'of the tests', onError: (error) => void errors.push(error) })
  hubs.push(hub)
  const events: LogEvent[] = []
  hub.log.follow((all) => void events.push(...all), console.error)
  return { hub, events, errors }
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

/** A hub whose log appends when it is told to, or fails then. */
function heldHub() {
  const { hub, errors } = newHub()
  const append = hub.append.bind(hub)
  const waiting: ((error?: Error) => void)[] = []
  const { promise: whole, resolve } = Promise.withResolvers<void>()
  const spy = spyOn(hub, 'append').mockImplementation(async (...all) => {
    await new Promise<void>((give, fail) => {
      waiting.push((error) => (error ? fail(error) : give()))
      resolve()
    })
    return append(...all)
  })
  const release = (error?: Error) => {
    for (const one of waiting.splice(0)) one(error)
  }
  return { hub, errors, whole, release, restore: () => spy.mockRestore() }
}

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

  test('D-22 the colour of an underline is not taken for others', () => {
    expect(
      shown(
        '\x1b[58;2;31;7;9ma\x1b[4;58;5;1;32mb\x1b[0;58:2::31:7:9;2mc\x1b[0;58:5:9md\x1b[59;58me',
      ),
    ).toEqual(['a<span class="hw-underline hw-fg-green">b</span><span class="hw-dim">c</span>de'])
  })

  test('D-22 what never ends is looked at once, however long it is', () => {
    const began = performance.now()
    for (const one of ['\x9d', '\x90a', '\x98', '\x9e', '\x9f', '\x1b]', '\x1b[1;', '\x9d\x1b']) {
      shown(one.repeat(40_000))
    }
    expect(performance.now() - began).toBeLessThan(2_000)
  })

  test('D-22 what follows 64 KB of a line is not looked at, and a colour does not run on from there', () => {
    expect(shown(`\x1b[31m${'x'.repeat(70_000)}`, 'next')[1]).toBe('next')
    expect(shown(`${'x'.repeat(70_000)}\x1b[31m`, 'next')[1]).toBe('next')
    expect(shown(`${'\x1b[m'.repeat(21_845)}${'😀'.repeat(9)}`)[0]).toBe('')
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
    const log = logLines(hub, 'log:1', { window: 500 })
    const began = performance.now()
    log.push('first')
    await settled(() => events.length === 1)
    expect(performance.now() - began).toBeLessThan(500)
    expect(rowsOf(events[0]?.data ?? '')).toHaveLength(1)
    for (let i = 0; i < 99; i++) log.push(`${i}`)
    await settled(() => events.length === 2)
    expect(performance.now() - began).toBeGreaterThanOrEqual(490)
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
    const many = `ERROR it broke\n\x1b[0m  at one\n${'  at another\n'.repeat(10)}`
    log.push(many)
    expect(await kept(log)).toEqual([
      { n: 22, level: 'error', text: '  at another' },
      { n: 23, level: 'error', text: '  at another' },
    ])
    expect((await log.read()).html).not.toContain('hw-fg-red')
  })

  test('D-22 a flush resolves when all before it is kept, also beside another one', async () => {
    const { hub, whole, release } = heldHub()
    const log = logLines(hub, 'log:1')
    log.push('a')
    const done: number[] = []
    const both = [1, 2].map((n) => log.flush().then(() => void done.push(n)))
    await whole
    await Bun.sleep(20)
    expect(done).toEqual([])
    release()
    await Promise.all(both)
    expect(await kept(log)).toHaveLength(1)
  })

  test('D-22 what was not kept is thrown once by who waits for it, and by no page', async () => {
    const { hub, release, restore, errors } = heldHub()
    const log = logLines(hub, 'log:1')
    const gone = new Error('disk full')
    log.push('lost')
    const both = [log.flush(), log.flush()]
    release(gone)
    expect(await Promise.allSettled(both)).toEqual([
      { status: 'rejected', reason: gone },
      { status: 'rejected', reason: gone },
    ])
    await log.flush()
    log.push('lost too')
    const page = log.read()
    release(gone)
    expect(rowsOf((await page).html)).toEqual([])
    log.push('kept')
    const next = log.read()
    release()
    expect(rowsOf((await next).html)).toHaveLength(1)
    restore()
    await expect(log.end()).rejects.toBe(gone)
    await log.end()
    expect(errors).toEqual([gone, gone])
  })

  test('D-22 a line of megabytes is cut, says so, and its colour does not run on', async () => {
    const { hub } = newHub()
    const log = logLines(hub, 'log:1')
    log.push([`\x1b[31m${'x'.repeat(5_000_000)}\x1b[0m`, 'next'])
    const { html } = await log.read()
    expect(html.length).toBeLessThan(6_000)
    expect(html).toContain('<span class="hw-cut">… 4995939 more characters</span>')
    expect(html).toContain('<span class="hw-line">next</span>')
  })

  test('D-22 a row has some 4 KB at most, whatever is in it, and is cut behind a whole character', async () => {
    const { hub } = newHub()
    const log = logLines(hub, 'log:1')
    for (const [line, shown] of [
      ['x'.repeat(4_097), 'x'.repeat(4_096)],
      ['<'.repeat(4_096), '&lt;'.repeat(1_024)],
      [`a${'"'.repeat(4_000)}`, `a${'&quot;'.repeat(682)}`],
      [`x${'😀'.repeat(2_000)}`, `x${'😀'.repeat(1_023)}`],
      ['é'.repeat(4_096), 'é'.repeat(2_048)],
    ] as const) {
      log.push(line)
      const { html } = await log.read()
      expect(html).toEndWith(
        `<span class="hw-line">${shown}<span class="hw-cut">… ${line.length - unescapeText(shown).length} more characters</span></span></li>`,
      )
    }
    log.push('\x1b[1;2;3;4;9;95;105mx\x1b[0m<'.repeat(2_000))
    const rows = (await log.read()).html.split('<li')
    expect(Buffer.byteLength(rows.at(-1) ?? '')).toBeLessThan(4_096 + 300)
    expect(rows.at(-1)).toEndWith(' more characters</span></span></li>')
  })

  test('D-22 a colour or a reset at the cut, or behind it, holds for what follows', async () => {
    const { hub } = newHub()
    const log = logLines(hub, 'log:1')
    for (let before = 4_030; before < 4_100; before++) {
      log.push([`\x1b[31m${'x'.repeat(before)}\x1b[0m tail`, 'plain'])
      log.push([`${'x'.repeat(before)}\x1b[38;5;9m tail`, 'red', '\x1b[0m'])
    }
    const { html } = await log.read()
    expect(html.split('<span class="hw-line">plain</span>')).toHaveLength(71)
    expect(html.split('<span class="hw-fg-bright-red">red</span>')).toHaveLength(71)
    for (const rest of ['\x1b', '[0m', '[38']) expect(html).not.toContain(rest)
  })

  test('D-22 a snapshot of a log of a thousand lines is of bearable size in the worst case', async () => {
    const { hub } = newHub()
    const log = logLines(hub, 'log:1')
    log.push(Array.from({ length: 3_000 }, (_, i) => `${i} ${'<'.repeat(4_096)}`))
    const { html } = await log.read()
    expect(html.split('<li')).toHaveLength(1_001)
    expect(Buffer.byteLength(html)).toBeLessThan(5_000_000)
  })

  test('D-22 two topics have no row of the same id', async () => {
    const { hub } = newHub()
    const ids = [
      'build:7',
      'build-7',
      'build_7',
      'build_2d_7',
      'build:_2d_7',
      'build.7',
      'build%207',
    ]
    expect(logLines(hub, 'build:7').id).toBe('log-build-7')
    expect(new Set(ids.map((topic) => logLines(hub, topic).id)).size).toBe(ids.length)
    for (const topic of ids) expect(logLines(hub, topic).id).toMatch(/^log-[\w-]+$/)
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
    log.push(['WARN c', '\x1b[32m  d', '  e'])
    const later = (await log.read()).html
    const before = [{ text: 'WARN c' }, { text: '\x1b[32m  d' }]
    expect(later).toEndWith(log.rows([{ n: 5, text: '  e' }], before))
    expect(log.rows([{ n: 5, text: '  e' }], before)).toMatch(/data-level="warn".*hw-fg-green/)
  })

  test('D-22 no event is longer than the hub lets it be, but for a row that is', async () => {
    const hub = new Hub({ limits: { event: 16_384 } })
    hubs.push(hub)
    const log = logLines(hub, 'log:1')
    const events: LogEvent[] = []
    hub.log.follow((all) => void events.push(...all), console.error)
    log.push(Array.from({ length: 500 }, (_, n) => `line ${n} ${'x'.repeat(200)}`))
    expect(rowsOf((await log.read()).html)).toHaveLength(500)
    expect(Math.max(...events.map(({ data }) => data.length))).toBeLessThan(17_000)
  })

  test('D-22 asked for twice it is the same log, while somebody holds it', () => {
    const { hub } = newHub()
    const log = logLines(hub, 'log:1')
    expect(logLines(hub, 'log:1', { max: 5 })).toBe(log)
    expect(logLines(newHub().hub, 'log:1')).not.toBe(log)
  })

  test('D-22 a log that runs is the same one though nobody holds it, until it ends', async () => {
    const { hub } = newHub()
    const made = () => logLines(hub, 'log:1', { first: 100 })
    made().push('\x1b[31mone')
    await Bun.sleep(30)
    for (let n = 0; n < 5; n++) {
      Bun.gc(true)
      await Bun.sleep(5)
    }
    made().push('two')
    const { html } = await made().read()
    expect(rowsOf(html).map(({ n }) => n)).toEqual([100, 101])
    expect(html).toEndWith('<span class="hw-fg-red">two</span></span></li>')
    await made().end()
  })

  test('D-22 a run after a restart goes on with the next number, also of a log that answers later', async () => {
    const database = join(tmpdir(), `lines-${crypto.randomUUID()}.db`)
    for (const [run, from] of [1, 4, 7].entries()) {
      const hub = new Hub({ database, onError: (error) => expect.unreachable(`${error}`) })
      const log = logLines(hub, 'log:1')
      expect(log.next).toBe(from)
      // Only quotes of a row are no text.
      log.push([`a${run} data-n="99"`, 'b', 'c'])
      await log.flush()
      await Bun.sleep(run === 1 ? 200 : 0)
      // What is no row of it has no number.
      await hub.publish('log:1', swap.innerHTML('#total', 'data-n="50"'))
      expect(rowsOf((await log.read()).html)).toHaveLength(from + 2)
      hub.close()
    }
    const kept = new Hub({ database })
    const late = new Hub({ log: lateLog(kept.log, { delay: () => 20 }) })
    const log = logLines(late, 'log:1')
    log.push('x')
    log.push(['y', { text: 'z', n: 20 }, 'end'])
    const { html } = await log.read()
    expect(
      rowsOf(html)
        .map(({ n }) => n)
        .slice(-5),
    ).toEqual([9, 10, 11, 20, 21])
    expect(html).toEndWith('<span class="hw-line">end</span></li>')
    expect(log.next).toBe(22)
    late.close()
    const large = new Hub({ log: lateLog(memoryLog(), { delay: () => 20 }) })
    const many = logLines(large, 'log:1', { max: 2 })
    many.push(Array<string>(1_000_000).fill('x'))
    await many.flush()
    expect(many.next).toBe(1_000_001)
    large.close()
    kept.close()
  })

  test('D-22 what is no number of lines, no time or no log is refused', () => {
    const { hub } = newHub()
    hub.topic('state:*', { kind: 'state' })
    expect(() => logLines(hub, 'log:1', { max: 0 })).toThrow(TypeError)
    for (const window of [-1, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 31]) {
      expect(() => logLines(hub, 'log:1', { window })).toThrow(TypeError)
    }
    for (const first of [Number.NaN, 1.5, Number.POSITIVE_INFINITY]) {
      expect(() => logLines(hub, 'log:1', { first })).toThrow(TypeError)
    }
    for (const id of ['', 'a b', 'a"b', "a'b", 'a\nb', '<a>']) {
      expect(() => logLines(hub, 'log:1', { id })).toThrow(TypeError)
    }
    expect(logLines(hub, 'log:1', { id: 'build-7.a:b_c', first: -3 }).next).toBe(-3)
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
