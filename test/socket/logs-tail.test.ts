/**
 * What the example of logs reads: real files that grow, are rotated, truncated and replaced, and which may be read.
 */
import { afterEach, describe, expect, setDefaultTimeout, test } from 'bun:test'
import { readdirSync, readlinkSync } from 'node:fs'
import {
  appendFile,
  mkdir,
  mkdtemp,
  open,
  rename,
  rm,
  symlink,
  truncate,
  unlink,
  writeFile,
} from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Hub } from 'headwater'
import { Board } from '../../examples/logs/board'
import { Folders } from '../../examples/logs/folders'
import { Refusal } from '../../examples/logs/refusal'
import type { Numbered } from '../../examples/logs/stretch'
import { type Following, Tail, type TailOptions } from '../../examples/logs/tail'
import { settled } from '../support/serve'

setDefaultTimeout(30_000)

const made: string[] = []
const tails = new Set<Tail>()
const boards: Board[] = []
const hubs: Hub[] = []

afterEach(async () => {
  for (const board of boards.splice(0)) await board.end()
  for (const hub of hubs.splice(0)) hub.close()
  await Promise.all([...tails].map((tail) => tail.close()))
  tails.clear()
  for (const folder of made.splice(0)) await rm(folder, { recursive: true, force: true })
})

async function temporary(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'headwater-tail-'))
  made.push(folder)
  return folder
}

/** Follows a file, and keeps what it is told. */
async function follow(path: string, options: Partial<TailOptions> = {}) {
  const told: Numbered[] = []
  const states: Following[] = []
  const tail = await Tail.start({
    path,
    open: () => open(path),
    onLines: (lines) => told.push(...lines),
    onChange: (following) => states.push(following),
    patience: 100,
    grace: 200,
    ...options,
  })
  tails.add(tail)
  const texts = () => told.map(({ text }) => text)
  const until = (...expected: string[]) => settled(() => Bun.deepEquals(texts(), expected))
  return { tail, told, texts, states, until }
}

/** Files of a folder that this process has open. */
function openIn(folder: string): number {
  return readdirSync('/proc/self/fd').filter((fd) => {
    try {
      return readlinkSync(`/proc/self/fd/${fd}`).startsWith(folder)
    } catch {
      return false
    }
  }).length
}

const lines = (from: number, to: number) =>
  Array.from({ length: to - from + 1 }, (_, i) => `${from + i}`)
const textOf = (all: string[]) => all.map((line) => `${line}\n`).join('')

describe('following', () => {
  test('D-22 begins with the newest lines, with their numbers, and goes on with what is appended', async () => {
    const path = join(await temporary(), 'a.log')
    await writeFile(path, textOf(lines(1, 500)))
    const { told, texts } = await follow(path, { last: 20 })
    expect(told).toEqual(lines(481, 500).map((text) => ({ n: Number(text), text })))
    for (let i = 501; i <= 600; i++) await appendFile(path, `${i}\n`)
    await settled(() => told.length >= 120)
    expect(texts()).toEqual(lines(481, 600))
    expect(told.every(({ n, text }) => `${n}` === text)).toBe(true)
  })

  test('D-22 an unfinished line is shown when it is finished, or as it is after a pause, and its rest once', async () => {
    const path = join(await temporary(), 'a.log')
    await writeFile(path, 'one\nhalf')
    const { until, told } = await follow(path, { patience: 10_000 })
    await until('one')
    await appendFile(path, ' whole\n')
    await until('one', 'half whole')
    const patient = await follow(path, { patience: 50 })
    await appendFile(path, 'Password: ')
    await patient.until('one', 'half whole', 'Password: ')
    await appendFile(path, 'ok\nnext\n')
    await patient.until('one', 'half whole', 'Password: ', 'ok', 'next')
    await until('one', 'half whole', 'Password: ok', 'next')
    expect(told.map(({ n }) => n)).toEqual([1, 2, 3, 4])
    // It is read backwards as it was shown.
    expect(await patient.tail.before(6, 10)).toEqual(patient.told)
  })

  test('D-22 characters of several bytes come through however they are cut, and what is no UTF-8 is replaced', async () => {
    const path = join(await temporary(), 'a.log')
    await writeFile(path, '')
    const { until, texts } = await follow(path, { patience: 30 })
    const bytes = Buffer.from('grüße 😀 漢字 end\n')
    for (const byte of bytes) {
      await appendFile(path, Buffer.of(byte))
      await Bun.sleep(8)
    }
    await settled(() => texts().join('').endsWith('end'))
    expect(texts().join('')).toBe('grüße 😀 漢字 end')
    const shown = texts()
    await appendFile(path, Buffer.from([0x67, 0x72, 0xc3]))
    await until(...shown, 'gr')
    await appendFile(path, Buffer.from([0xbc, 0x6e, 0x0a]))
    shown.push('gr', 'ün')
    await until(...shown)
    await appendFile(path, Buffer.from([0x61, 0xff, 0xfe, 0x62, 0xc3, 0x0a]))
    await until(...shown, 'a\ufffd\ufffdb\ufffd')
  })

  test('D-22 a line without an end is shown in parts, none of which is lost', async () => {
    const path = join(await temporary(), 'a.log')
    await writeFile(path, '')
    const { texts, told } = await follow(path)
    const long = '😀'.repeat(100_000)
    await appendFile(path, `${long}\nnext\n`)
    await settled(() => texts().at(-1) === 'next')
    expect(texts().slice(0, -1).join('')).toBe(long)
    expect(told.length).toBeGreaterThan(2)
    const { tail } = await follow(path, { last: 1 })
    expect((await tail.before(2, 5)).map(({ text }) => text.length)).toEqual([long.length])
  })

  test('D-22 rotation: what comes to the renamed file and to the new one is there once, in order', async () => {
    const folder = await temporary()
    const path = join(folder, 'a.log')
    await writeFile(path, '')
    let opened = 0
    const { texts, states, told } = await follow(path, {
      open: () => {
        opened++
        return open(path)
      },
    })
    let n = 0
    const write = async (file: string, count: number) => {
      for (let i = 0; i < count; i++) await appendFile(file, `${++n}\n`)
    }
    for (let round = 1; round <= 6; round++) {
      await write(path, 40)
      await rename(path, `${path}.${round}`)
      // As a program does that is not told yet.
      await write(`${path}.${round}`, 10)
      await writeFile(path, '')
      // One that is renamed again before it is seen is not shown.
      await settled(() => opened === round + 1)
      await write(path, 15)
    }
    await settled(() => told.length >= n, 15_000)
    expect(texts()).toEqual(lines(1, n))
    expect(told.map(({ n }) => n)).toEqual(told.map((_, i) => i + 1))
    expect(new Set(states)).toEqual(new Set(states.length > 0 ? ['gone', 'following'] : []))
  })

  test('D-22 rotation: a program that is told late still writes to the renamed file', async () => {
    const path = join(await temporary(), 'a.log')
    await writeFile(path, '1\n')
    let opened = 0
    const { until } = await follow(path, {
      open: () => {
        opened++
        return open(path)
      },
    })
    await rename(path, `${path}.1`)
    await writeFile(path, '4\n')
    await settled(() => opened === 2)
    await appendFile(`${path}.1`, '2\n')
    await until('1', '2')
    await appendFile(`${path}.1`, '3\n')
    await until('1', '2', '3')
    await until('1', '2', '3', '4')
  })

  test('D-22 what was rotated away can still be read backwards, the numbers going on', async () => {
    const path = join(await temporary(), 'a.log')
    await writeFile(path, textOf(lines(1, 300)))
    const { tail, told, texts } = await follow(path, { last: 10 })
    await rename(path, `${path}.1`)
    await writeFile(path, textOf(lines(301, 320)))
    await settled(() => told.length === 30)
    expect(texts()).toEqual(lines(291, 320))
    const before = async (n: number) => (await tail.before(n, 100)).map(({ text }) => text)
    expect(await before(321)).toEqual(lines(301, 320))
    expect(await before(301)).toEqual(lines(201, 300))
    expect(await before(201)).toEqual(lines(101, 200))
    expect(await before(101)).toEqual(lines(1, 100))
    expect(await before(1)).toEqual([])
  })

  test('D-22 truncation: it goes on at the beginning, also when it is as long as before already', async () => {
    const path = join(await temporary(), 'a.log')
    await writeFile(path, textOf(lines(1, 50)))
    const { until, tail } = await follow(path, { last: 2 })
    await until('49', '50')
    await truncate(path, 0)
    await appendFile(path, 'a\nb\n')
    await until('49', '50', 'a', 'b')
    // Made anew in place, and longer: only what was in it shows that.
    await writeFile(path, 'x\ny\nz\n')
    await until('49', '50', 'a', 'b', 'x', 'y', 'z')
    expect((await tail.before(56, 10)).map(({ n, text }) => [n, text])).toEqual([
      [53, 'x'],
      [54, 'y'],
      [55, 'z'],
    ])
    expect(await tail.before(53, 10)).toEqual([])
  })

  test('D-22 a file that goes is waited for, and says so', async () => {
    const path = join(await temporary(), 'a.log')
    await writeFile(path, 'one\n')
    const { until, states } = await follow(path)
    await unlink(path)
    await settled(() => states.at(-1) === 'gone')
    await writeFile(path, 'two\n')
    await until('one', 'two')
    expect(states).toEqual(['gone', 'following'])
  })

  test('D-22 a file of 1 GB opens at its end at once', async () => {
    const path = join(await temporary(), 'a.log')
    const file = await open(path, 'w')
    await file.truncate(2 ** 30)
    await file.write(`\n${textOf(lines(1, 5_000))}`, 2 ** 30)
    await file.close()
    const began = performance.now()
    const { tail, texts, told } = await follow(path)
    const took = performance.now() - began
    console.log(`1 GB: ${told.length} lines in ${Math.round(took)} ms`)
    expect(took).toBeLessThan(1_000)
    expect(texts()).toEqual(lines(4_801, 5_000))
    // They are not counted: numbers go up to where it was opened.
    expect(told.at(-1)?.n).toBe(0)
    const first = told[0]?.n as number
    expect((await tail.before(first, 100)).map(({ text }) => text)).toEqual(lines(4_701, 4_800))
    await appendFile(path, 'new\n')
    await settled(() => texts().at(-1) === 'new')
    expect(told.at(-1)?.n).toBe(1)
  })

  test('D-22 what was shown can be read backwards, whatever it was: 20,000 lines as they come', async () => {
    const path = join(await temporary(), 'a.log')
    await writeFile(path, '')
    const { tail, told } = await follow(path)
    for (let i = 0; i < 100; i++) {
      await appendFile(path, textOf(lines(i * 200 + 1, i * 200 + 200)))
    }
    await settled(() => told.length === 20_000)
    for (const [n, count] of [
      [20_001, 200],
      [12_345, 200],
      [777, 1_000],
      [2, 5],
    ] as const) {
      expect(await tail.before(n, count)).toEqual(told.slice(Math.max(0, n - 1 - count), n - 1))
    }
  })

  test('D-22 several who read backwards at the same time get the lines of their numbers', async () => {
    const path = join(await temporary(), 'a.log')
    await writeFile(path, textOf(lines(1, 3_000)))
    for (let round = 0; round < 10; round++) {
      const { tail } = await follow(path)
      const asked = [200, 200, 50, 500].map((count) => tail.before(2_801, count))
      const answers = [...(await Promise.all(asked)), await tail.before(2_601, 200)]
      const ranges = answers.map((all) => {
        expect(all.filter(({ n, text }) => `${n}` !== text)).toEqual([])
        return [all[0]?.n, all.at(-1)?.n, all.length]
      })
      expect(ranges).toEqual([
        [2_601, 2_800, 200],
        [2_601, 2_800, 200],
        [2_751, 2_800, 50],
        [2_301, 2_800, 500],
        [2_401, 2_600, 200],
      ])
      await tail.close()
    }
  })

  test('D-22 closing waits for what is being read, also for the rest of a file', async () => {
    const path = join(await temporary(), 'a.log')
    await writeFile(path, '')
    const { tail, told } = await follow(path)
    await appendFile(path, textOf(lines(1, 500_000)))
    const finished = tail.finish()
    await tail.close()
    const shown = told.length
    expect(await finished).toBeUndefined()
    await tail.finish()
    expect(told.length).toBe(shown)
  })

  test('D-22 a file that can not be read any more is said to be refused', async () => {
    const path = join(await temporary(), 'a.log')
    await writeFile(path, 'one\n')
    const handle = await open(path)
    const { states, tail } = await follow(path, { open: async () => handle })
    await handle.close()
    await settled(() => states.at(-1) === 'refused')
    await tail.finish()
  })

  test('D-22 a file that is replaced all the time takes few handles, and all of it is shown', async () => {
    const folder = await temporary()
    const path = join(folder, 'a.log')
    await writeFile(path, '0\n')
    let opened = 0
    const { texts } = await follow(path, {
      grace: 60_000,
      open: () => {
        opened++
        return open(path)
      },
    })
    for (let i = 1; i <= 30; i++) {
      await writeFile(`${path}.new`, `${i}\n`)
      await rename(`${path}.new`, path)
      await settled(() => opened === i + 1)
      // The one that is read with three before it, three that wait, and one that was opened just now.
      expect(openIn(folder)).toBeLessThanOrEqual(8)
    }
    await settled(() => texts().length >= 27)
    expect(texts()).toEqual(lines(0, texts().length - 1))
  })

  test('D-22 a renamed file that is written to for ever does not hold the new one back', async () => {
    const path = join(await temporary(), 'a.log')
    await writeFile(path, '')
    const { texts } = await follow(path, { grace: 60_000, latest: 300 })
    await rename(path, `${path}.1`)
    await writeFile(path, 'new\n')
    const end = performance.now() + 5_000
    let n = 0
    while (!texts().includes('new') && performance.now() < end) {
      await appendFile(`${path}.1`, `${++n}\n`)
    }
    expect(texts().at(-1)).toBe('new')
    expect(texts().slice(0, -1)).toEqual(lines(1, texts().length - 1))
  })

  test('nothing is left open when it is closed', async () => {
    const folder = await temporary()
    const path = join(folder, 'a.log')
    const links = () => openIn(folder)
    await writeFile(path, 'one\n')
    const { tail, until } = await follow(path)
    for (let i = 1; i <= 6; i++) {
      await rename(path, `${path}.${i}`)
      await writeFile(path, `${i}\n`)
      await until('one', ...lines(1, i))
    }
    // The newest, and three before it.
    expect(links()).toBe(4)
    await tail.close()
    expect(links()).toBe(0)
  })
})

describe('the logs that are open', () => {
  async function board() {
    const kept = await temporary()
    const hub = new Hub()
    hubs.push(hub)
    hub.topic('log:*:state', { kind: 'state' })
    const board = new Board({
      hub,
      folders: await Folders.of([kept]),
      kept,
      commands: ['a', 'b'].map((name) => ({
        name,
        label: name,
        argv: [process.execPath, '-e', `console.log('${name}\\n'.repeat(50_000))`],
      })),
      onState: () => {},
      onClose: async () => {},
    })
    boards.push(board)
    return { board, kept }
  }

  test('D-22 programs that are run at the same time have a file each, which goes when they are closed', async () => {
    const { board: own, kept } = await board()
    const logs = await Promise.all(['a', 'b', 'a'].map((name) => own.run(name)))
    expect(new Set(logs.map(({ path }) => path)).size).toBe(3)
    expect(new Set(logs.map(({ id }) => id)).size).toBe(3)
    await settled(() => logs.every(({ state }) => state === 'finished'))
    for (const [i, name] of ['a', 'b', 'a'].entries()) {
      expect(new Set((await Bun.file(logs[i]?.path as string).text()).split('\n'))).toEqual(
        new Set([name, '']),
      )
    }
    await Promise.all(logs.map(({ id }) => own.close(id)))
    expect(readdirSync(kept)).toEqual([])
    expect(openIn(kept)).toBe(0)
  })

  test('D-22 no more than 12 are open, however many are opened at the same time', async () => {
    const { board: own, kept } = await board()
    const path = join(kept, 'x.log')
    await writeFile(path, 'x\n')
    const asked = await Promise.allSettled(
      Array.from({ length: 30 }, (_, i) => (i % 2 ? own.file(path) : own.run('a'))),
    )
    const refused = asked.filter((one) => one.status === 'rejected')
    expect(refused.map(({ reason }) => (reason as Refusal).status)).toEqual(Array(18).fill(429))
    expect(own.all).toHaveLength(12)
    await expect(own.file(join(kept, 'none'))).rejects.toThrow('12 logs are open')
    await own.end()
    // What was refused takes no place.
    for (let i = 0; i < 20; i++) await own.file(join(kept, 'none')).catch(() => {})
    expect((await own.file(path)).state).toBe('following')
  })

  test('D-22 a program may be closed at any time while its rest is being read', async () => {
    const { board: own } = await board()
    for (let i = 0; i < 8; i++) {
      const log = await own.run('a')
      await log.program?.exited
      await Bun.sleep(i)
      await own.close(log.id)
      const next = log.lines.next
      await log.tail.finish()
      expect(log.lines.next).toBe(next)
    }
  })
})

describe('which files may be read', () => {
  async function place() {
    const root = await temporary()
    const inside = join(root, 'inside')
    await mkdir(join(inside, 'deep'), { recursive: true })
    await mkdir(join(root, 'inside-not'))
    await writeFile(join(inside, 'a.log'), 'a\n')
    await writeFile(join(inside, 'deep', 'b.log'), 'b\n')
    await writeFile(join(root, 'secret'), 's\n')
    await writeFile(join(root, 'inside-not', 'c.log'), 'c\n')
    await symlink(join(root, 'secret'), join(inside, 'link'))
    await symlink(root, join(inside, 'up'))
    await symlink(join(inside, 'a.log'), join(inside, 'own'))
    return { root, inside, folders: await Folders.of([inside, join(root, 'none')]) }
  }

  async function statusOf(opening: Promise<{ handle: { close(): Promise<void> } }>) {
    try {
      await (await opening).handle.close()
      return 200
    } catch (error) {
      return error instanceof Refusal ? error.status : error
    }
  }

  test('D-22 those in the folders; others not: by name, by .., by a link, nor what is no file', async () => {
    const { root, inside, folders } = await place()
    const asked: [string, number][] = [
      ['a.log', 200],
      ['deep/b.log', 200],
      ['own', 200],
      ['./deep/../a.log', 200],
      ['link', 403],
      ['up/secret', 403],
      ['up/inside/a.log', 200],
      ['../secret', 403],
      ['deep/../../secret', 403],
      ['../inside-not/c.log', 403],
      ['../nothing', 403],
      ['none', 404],
      ['%2e%2e/secret', 404],
      ['deep', 400],
      ['a.log\0', 403],
    ]
    for (const [name, status] of asked) {
      expect([name, await statusOf(folders.open(`${inside}/${name}`))]).toEqual([name, status])
    }
    for (const name of ['/etc/passwd', join(root, 'secret'), '', '/', inside, 'a.log']) {
      expect([name, await statusOf(folders.open(name))]).toEqual([name, 403])
    }
    expect(await folders.list()).toEqual([join(inside, 'a.log'), join(inside, 'deep', 'b.log')])
    expect(folders.missing).toEqual([join(root, 'none')])
  })

  test('D-22 a folder that is named through a link: its files by either name, and nothing that a link of it leads out to', async () => {
    const { root, inside } = await place()
    const link = join(root, 'named')
    await symlink(inside, link)
    await symlink(root, join(root, 'around'))
    for (const name of [link, `${link}/`, join(root, 'around', 'named')]) {
      const folders = await Folders.of([name, join(root, 'secret')])
      expect([folders.paths, folders.missing]).toEqual([[inside], [join(root, 'secret')]])
      const asked: [string, number][] = [
        [join(name, 'a.log'), 200],
        [join(name, 'deep/b.log'), 200],
        [join(inside, 'a.log'), 200],
        [join(name, 'none'), 404],
        [join(name, 'link'), 403],
        [join(name, 'up/secret'), 403],
        [`${name}/../secret`, 403],
        [`${name}/../none`, 403],
        [join(root, 'secret'), 403],
        [name, 403],
      ]
      for (const [path, status] of asked) {
        expect([path, await statusOf(folders.open(path))]).toEqual([path, status])
      }
      expect(await folders.list()).toEqual([join(inside, 'a.log'), join(inside, 'deep', 'b.log')])
    }
  })

  test('D-22 a link that comes to lead elsewhere after the start leads nowhere', async () => {
    const { root, inside } = await place()
    const link = join(root, 'named')
    await symlink(inside, link)
    const folders = await Folders.of([link])
    await unlink(link)
    await symlink(join(root, 'inside-not'), link)
    expect(await statusOf(folders.open(join(link, 'c.log')))).toBe(403)
  })

  test('D-22 a file that is followed and replaced by a link to elsewhere is not followed there', async () => {
    const { root, inside, folders } = await place()
    const path = join(inside, 'a.log')
    let asked = 0
    const { until, texts, states } = await follow(path, {
      open: async () => {
        asked++
        return (await folders.open(path)).handle
      },
    })
    await until('a')
    await unlink(path)
    await symlink(join(root, 'secret'), path)
    await settled(() => states.at(-1) === 'refused')
    const before = asked
    await settled(() => asked > before + 3)
    expect(texts()).toEqual(['a'])
    await unlink(path)
    await writeFile(path, 'mine\n')
    await until('a', 'mine')
    expect(states.at(-1)).toBe('following')
  })
})
