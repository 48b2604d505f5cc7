/** The benchmark: what its load sees, and that a scenario runs. Figures are not looked at. */
import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Socket, TCPSocketListener } from 'bun'
import { Load, type Told } from '../../bench/load/load'
import { writeSection } from '../../bench/report'
import { median } from '../../bench/rounds'
import { epochTime, eventData, filling } from '../../bench/serving/event'
import { runBench } from '../support/bench'

const rest = filling(120)

/** One event on the wire, with what a load has to pass over. */
const event = (number: number) =>
  `:\n\nid: e.${number}\nevent: bench\ndata: ${eventData(number, epochTime(), rest)}\n\n`

const numbers = (count: number) => Array.from({ length: count }, (_, i) => i + 1)

/** What is sent by path. */
const bodies: Record<string, string> = {
  '/whole': `retry: 1000\n:\n\n${numbers(20).map(event).join('')}`,
  '/tight': numbers(20)
    .map((number) => `event:bench\ndata:${eventData(number, epochTime(), rest)}\n\n`)
    .join(''),
  '/foreign': `data: another\ndata: #not ours, but as long as one of them would be\n\n${event(1)}`,
  '/lost': [1, 2, 4, 7].map(event).join(''),
  '/doubled': [1, 2, 2, 3, 1].map(event).join(''),
  '/damaged': event(1) + event(2).replace('xxxx', 'xxxxx') + event(3) + event(4),
}

/** Sends a body in chunks of HTTP, and all of it in pieces, of so many bytes. */
async function send(
  socket: Pick<Socket, 'write' | 'flush'>,
  body: string,
  size: number,
): Promise<void> {
  let text = 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n'
  for (let at = 0; at < body.length; at += size + 3) {
    const chunk = body.slice(at, at + size + 3)
    text += `${chunk.length.toString(16)}\r\n${chunk}\r\n`
  }
  for (let at = 0; at < text.length; at += size) {
    socket.write(text.slice(at, at + size))
    socket.flush()
    // Now and then the reader has to take what there is.
    if (at % (size * 64) === 0) await Bun.sleep(1)
  }
}

describe('the load', () => {
  let server: TCPSocketListener
  let load: Load

  beforeAll(async () => {
    server = Bun.listen({
      hostname: '127.0.0.1',
      port: 0,
      socket: {
        data(socket, request) {
          const [, path = '', size = ''] = request.toString().match(/^GET (\/\w+)\?(\d+) /) ?? []
          send(socket, bodies[path] ?? '', Number(size))
        },
      },
    })
    load = await Load.start()
  })

  afterAll(async () => {
    await load.end()
    server.stop(true)
  })

  /** What is counted for one body, in pieces of several sizes. */
  async function read(path: string, sizes: number[], events: number): Promise<Partial<Told>> {
    const before = await load.tell()
    const paths = sizes.map((size) => `${path}?${size}`)
    await load.open({ port: server.port, count: sizes.length, paths })
    const all = before.events + events * sizes.length
    const after = await load.until({ events: all, within: 5_000 })
    const grown = (name: keyof Told) => (after[name] - before[name]) / sizes.length
    return {
      events: grown('events'),
      lost: grown('lost'),
      doubled: grown('doubled'),
      damaged: grown('damaged'),
    }
  }

  const sizes = [1, 2, 3, 5, 6, 7, 11, 41, 42, 43, 100, 128, 4_096]

  test.each(['/whole', '/tight'])('counts every event of %s, however it is cut', async (path) => {
    expect(await read(path, sizes, 20)).toEqual({ events: 20, lost: 0, doubled: 0, damaged: 0 })
  })

  test('passes over data that is not its own', async () => {
    const found = await read('/foreign', [3, 4_096], 1)
    expect(found).toMatchObject({ events: 1, lost: 0, doubled: 0 })
  })

  test('finds what is left out', async () => {
    const found = await read('/lost', sizes, 4)
    expect(found).toEqual({ events: 4, lost: 3, doubled: 0, damaged: 0 })
  })

  test('finds what comes again or too late', async () => {
    const found = await read('/doubled', sizes, 5)
    expect(found).toEqual({ events: 5, lost: 0, doubled: 2, damaged: 0 })
  })

  test('finds what is longer than it says, and misses it', async () => {
    const found = await read('/damaged', sizes, 3)
    expect(found).toEqual({ events: 3, lost: 1, doubled: 0, damaged: 1 })
  })

  test('tells how old events are', async () => {
    bodies['/aged'] = `data: ${eventData(1, epochTime() - 60_000, rest)}\n\n`
    const { events } = await load.tell()
    await load.open({ port: server.port, count: 1, paths: ['/aged?4096'] })
    const told = await load.until({ events: events + 1, within: 5_000 })
    expect(told.p50).toBeWithin(60, 5_000)
    expect(told.oldest).toBe(told.p50)
  })
})

test('a section takes the place of the one with its name, or comes last', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'headwater-'))
  const path = join(folder, 'results.md')
  try {
    await writeSection(path, 'idle', '## idle\n\nold\n')
    await writeSection(path, 'idle-more', '## idle-more\n\nother\n')
    await writeSection(path, 'idle', '## idle\n\nnew\n')
    const text = await Bun.file(path).text()
    expect(text).toStartWith('# Figures\n')
    expect(text).toEndWith('\n\n## idle\n\nnew\n\n## idle-more\n\nother\n')
    expect(text).not.toContain('old')
  } finally {
    rmSync(folder, { recursive: true })
  }
})

test('a median is the value in the middle', () => {
  expect([median([3, 1, 2]), median([4, 1, 3, 2]), median([7])]).toEqual([2, 2.5, 7])
})

test('a scenario measures, checks and judges', async () => {
  const words = 'turns --runs 1 --connections 5 --events 20 --bytes 64 --only floor,headwater --dry'
  const text = await runBench(words)
  expect(text).toMatch(/^\| measurements in which Headwater .* \| +0 \| +0 \| +reached \|$/m)
  expect(text).toMatch(/^\| floor +\| +[\d,]+ \| +[\d.]+ \| +[\d.]+ \| +[\d.]+ \| +1\.00 \|$/m)
  expect(text).toMatch(/^\| headwater +\| +[\d,]+ \| +[\d.]+ \| +[\d.]+ \| +[\d.]+ \| +[\d.]+ \|$/m)
  expect(text).toMatch(/^\| deliveries\/s by the floor +\| +≥ 1.5 × \| +[\d.]+ \| .*reached/m)
  expect(text).toMatch(/^\| by Hono .* not measured \|$/m)
}, 30_000)
