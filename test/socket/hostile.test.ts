/**
 * Hostile input: clear refusals, a process that lives, and readers who notice nothing.
 */
import { Database } from 'bun:sqlite'
import { afterEach, describe, expect, setDefaultTimeout, test } from 'bun:test'
import { chmodSync, openSync, readFileSync, rmSync, writeFileSync, writeSync } from 'node:fs'
import { connect as connectTcp, type Socket } from 'node:net'
import { dirname } from 'node:path'
import fc from 'fast-check'
import { Hub, MultiStreamManager } from 'headwater'
import { type Client, connect } from '../support/client'
import { endPrograms } from '../support/program'
import {
  cleanUp,
  declare,
  type Site,
  serve,
  serveElysia,
  settled,
  temporary,
} from '../support/serve'
import { startStrict } from '../support/strict'

setDefaultTimeout(60_000)

const sockets: Socket[] = []
const lockers: Bun.Subprocess[] = []

afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy()
  for (const locker of lockers.splice(0)) {
    locker.kill('SIGKILL')
    await locker.exited
  }
  await endPrograms()
  await cleanUp()
})

const live = (client: Client) => client.until(() => client.lastEventId !== '')

/** A reader who must notice nothing: `ok` publishes, and shows that it is received. */
async function healthyReader(on: Site) {
  const client = await connect(`${on.url}/stream?topic=room:healthy`)
  await live(client)
  return {
    async ok() {
      const before = client.events.length
      await on.hub.publish('room:healthy', `${before}`)
      await client.until(() => client.events.length > before)
      expect(client.events.at(-1)?.data).toBe(`${before}`)
      expect(on.errors).toEqual([])
    },
  }
}

/** A raw connection that sends these bytes as they are. */
function raw(on: { url: string }, bytes: string | Uint8Array) {
  const socket = connectTcp(Number(new URL(on.url).port), '127.0.0.1')
  sockets.push(socket)
  const seen = { socket, answer: '', over: false }
  socket.on('data', (part) => {
    seen.answer += part.toString('latin1')
  })
  for (const end of ['close', 'error']) {
    socket.on(end, () => {
      seen.over = true
    })
  }
  socket.write(bytes)
  return seen
}

const statuses = (answer: string) =>
  [...answer.matchAll(/HTTP\/1\.[01] (\d{3}) /g)].map(([, status]) => Number(status))

const text = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 40 }),
  fc.string({ unit: 'grapheme', maxLength: 40 }),
  fc.constantFrom(
    '',
    '\0',
    '\n',
    '\r\n',
    '\n\nevent: x\ndata: y',
    '*',
    '**',
    ':',
    'a:b',
    '%',
    '%2A',
    ',',
    ' ',
    'done',
    'hw:x',
    '\ud800',
    '../..',
    '__proto__',
    'a'.repeat(2_000),
  ),
)

describe('what is published', () => {
  test('C-07 any topic, key and content is either refused or received as it was', async () => {
    const on = serve()
    const client = await connect(on.url + on.hub.address(['**']))
    await live(client)
    const sent: { name: string; data: string }[] = []
    await fc.assert(
      fc.asyncProperty(text, text, text, async (topic, key, data) => {
        const published = await on.hub.publish(topic, data, { key }).catch((error) => error)
        if (published instanceof Error) {
          expect(published).toBeInstanceOf(TypeError)
          expect(published.message).toMatch(/^Expected [^\n]+, got [^\n]+$/)
        } else sent.push({ name: topic, data })
      }),
      { seed: 3, numRuns: 400 },
    )
    // A key that is kept is not published again, so each fresh one is received once, in order.
    const fresh = (await on.hub.log.read({ topics: ['**' as never], after: 0, limit: 10_000 })).map(
      ({ topic }) => topic as string,
    )
    await client.until(() => client.events.length === fresh.length)
    expect(client.events.map(({ name }) => name)).toEqual(fresh)
    expect(sent.length).toBeGreaterThan(20)
    expect(on.errors).toEqual([])
  })

  test('C-07 C-21 any id of an entity is either refused or its own', async () => {
    const on = serve()
    const notes = new MultiStreamManager<{ id: string }>(on.hub, {
      name: 'note',
      getEntity: (id) => ({ id }),
    }).register({ name: 'text', kind: 'state', render: () => 'x' })
    const client = await connect(on.url + notes.all())
    await live(client)
    const names: string[] = []
    await fc.assert(
      fc.asyncProperty(text, async (id) => {
        const published = await notes.publish(id, 'text', { id }).catch((error) => error)
        if (published instanceof Error) expect(published).toBeInstanceOf(TypeError)
        else names.push(notes.topic(id, 'text'))
      }),
      { seed: 4, numRuns: 300 },
    )
    await notes.publish('last', 'text', { id: 'last' })
    await client.until(() => client.events.at(-1)?.name === 'note:last:text')
    const got = new Set(client.events.map(({ name }) => name))
    expect(got).toEqual(new Set([...names, 'note:last:text']))
  })
})

describe('what is asked', () => {
  const known = [200, 400, 403, 404, 405, 413, 414]

  test('any path and query gets an answer with its reason, and none is an error', async () => {
    const on = serve()
    declare(on.hub)
    const healthy = await healthyReader(on)
    const name = fc.constantFrom('topic', 'id', 'all', 'since', 'exp', 'sig', '__proto__', '')
    const query = fc.array(fc.tuple(name, text), { maxLength: 6 })
    const path = fc.oneof(
      fc.constantFrom(
        '',
        '/',
        '/tick',
        '/tick/lines',
        '/tick/',
        '//',
        '/-/',
        '/-/x/htmx.js',
        '/tick/lines/x',
        '/%',
        '/%00',
        '/..%2f',
      ),
      fc.webPath(),
    )
    const seen = new Set<number>()
    await fc.assert(
      fc.asyncProperty(path, query, async (rest, pairs) => {
        const search = new URLSearchParams(pairs.map(([key, value]) => [key, value.toWellFormed()]))
        const answer = await on.hub.fetch(new Request(`http://localhost/stream${rest}?${search}`))
        if (!answer) return
        seen.add(answer.status)
        expect(known).toContain(answer.status)
        if (answer.status !== 200) expect(await answer.text()).toMatch(/^[^\n]{10,500}\.\n$/)
      }),
      { seed: 5, numRuns: 600 },
    )
    expect(seen.size).toBeGreaterThan(3)
    await healthy.ok()
  })

  test('10,000 topics or ids in one request get 414, at once', async () => {
    const on = serve()
    declare(on.hub)
    const many = (name: string) =>
      Array.from({ length: 10_000 }, (_, n) => `${name}=${n}`).join('&')
    const began = performance.now()
    for (const path of [`?${many('topic')}`, `/tick?${many('id')}`]) {
      const answer = await on.hub.fetch(new Request(`http://localhost/stream${path}`))
      expect(answer?.status).toBe(414)
      expect((await answer?.text())?.length).toBeLessThan(200)
    }
    expect(performance.now() - began).toBeLessThan(500)
  })

  test('10,000 topics over a socket, and a URL over 16 KB, are refused and cost the others nothing', async () => {
    const on = serve()
    declare(on.hub)
    const healthy = await healthyReader(on)
    for (const path of [
      `/stream?${'topic=room:1&'.repeat(10_000)}`,
      `/stream?topic=${'a'.repeat(17_000)}`,
      `/stream?topic=room:1&since=${'9'.repeat(1_000_000)}`,
      `/stream/${'x'.repeat(20_000)}`,
    ]) {
      const client = raw(on, `GET ${path} HTTP/1.1\r\nhost: localhost\r\n\r\n`)
      await settled(() => client.over || client.answer !== '')
      expect([[], [414], [431]]).toContainEqual(statuses(client.answer))
    }
    await healthy.ok()
  })

  test('H-03 no Last-Event-ID or since is an error, and who comes with a wrong one gets all there is', async () => {
    const on = serve()
    declare(on.hub)
    const healthy = await healthyReader(on)
    await on.hub.publish('cell:1', 'newest')
    const { epoch } = on.hub.log
    const head = Number(on.hub.cursor().slice(epoch.length + 1))
    const odd = [
      `${epoch}.-1`,
      `${epoch}.${head + 1}`,
      `${epoch}.9007199254740993`,
      `${epoch}.99999999999999999999`,
      `${epoch}.1e3`,
      `${epoch}.0x1`,
      `${epoch}. 1`,
      `${epoch}.1.1`,
      `${epoch}.`,
      epoch,
      '.1',
      'other.1',
      `${epoch.toUpperCase()}x.1`,
      '"',
      "' or 1=1 --",
      '9'.repeat(8_000),
      'é\u0080',
      '\u0001',
    ]
    for (const cursor of odd) {
      const byHeader = await connect(`${on.url}/stream?topic=cell:1`, { lastEventId: cursor })
      const query = new URLSearchParams({ topic: 'cell:1', since: cursor })
      const byQuery = await connect(`${on.url}/stream?${query}`)
      for (const client of [byHeader, byQuery]) {
        // A control character in a header is refused by the server itself.
        if (client.status === 400 && cursor === '\u0001') continue
        expect([cursor, client.status]).toEqual([cursor, 200])
        await live(client)
        expect([cursor, client.events.map(({ data }) => data)]).toEqual([cursor, ['newest']])
        client.cut()
      }
    }
    await healthy.ok()
  })

  test('H-03 random cursors, as in a URL, are never an error', async () => {
    const on = serve()
    declare(on.hub)
    await on.hub.publish('room:1', 'a')
    const cursor = fc.oneof(
      text,
      fc.integer().map((n) => `${on.hub.log.epoch}.${n}`),
      fc.bigInt().map((n) => `${on.hub.log.epoch}.${n}`),
    )
    await fc.assert(
      fc.asyncProperty(cursor, async (since) => {
        const query = new URLSearchParams({ topic: 'room:1', since: since.toWellFormed() })
        const client = await connect(`${on.url}/stream?${query}`)
        expect(client.status).toBe(200)
        await live(client)
        client.cut()
      }),
      { seed: 6, numRuns: 120 },
    )
    expect(on.errors).toEqual([])
  })

  for (const method of [
    'POST',
    'PUT',
    'PATCH',
    'DELETE',
    'OPTIONS',
    'HEAD',
    'TRACE',
    'PROPFIND',
    'get',
    'X',
  ]) {
    test(`the method ${method} opens nothing`, async () => {
      const on = serve()
      declare(on.hub)
      const healthy = await healthyReader(on)
      const client = raw(on, `${method} /stream?topic=room:1 HTTP/1.1\r\nhost: localhost\r\n\r\n`)
      await settled(() => client.answer !== '' || client.over)
      expect([[], [400], [405], [415], [501]]).toContainEqual(statuses(client.answer))
      expect(on.hub.stats().active).toBe(1)
      await healthy.ok()
    })
  }
})

describe('what is no good HTTP', () => {
  const doors: [string, () => Site][] = [
    ['plain Bun.serve', serve],
    ['Elysia', serveElysia],
  ]
  const heads: [string, string][] = [
    ['HTTP/1.0', 'GET /stream?topic=room:1 HTTP/1.0\r\n\r\n'],
    ['no host', 'GET /stream?topic=room:1 HTTP/1.1\r\n\r\n'],
    ['a host that is none', 'GET /stream?topic=room:1 HTTP/1.1\r\nhost: a b\r\n\r\n'],
    ['a host with a path', 'GET /stream?topic=room:1 HTTP/1.1\r\nhost: a/stream/x?\r\n\r\n'],
    ['a host out of its brackets', 'GET /stream?topic=room:1 HTTP/1.1\r\nhost: [::1\r\n\r\n'],
    ['a host with a bad port', 'GET /stream?topic=room:1 HTTP/1.1\r\nhost: a:99999999\r\n\r\n'],
    ['two hosts', 'GET /stream?topic=room:1 HTTP/1.1\r\nhost: a\r\nhost: b\r\n\r\n'],
    [
      'a whole URL',
      'GET http://evil.example/stream?topic=room:1 HTTP/1.1\r\nhost: localhost\r\n\r\n',
    ],
    ['a star', 'GET * HTTP/1.1\r\nhost: localhost\r\n\r\n'],
    [
      'bytes above ASCII in the path',
      'GET /stream?topic=\u00ff\u00fe HTTP/1.1\r\nhost: localhost\r\n\r\n',
    ],
    ['NUL in the path', 'GET /stream?topic=\0 HTTP/1.1\r\nhost: localhost\r\n\r\n'],
    [
      'two lengths',
      'GET /stream?topic=room:1 HTTP/1.1\r\nhost: localhost\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nab',
    ],
    [
      'a length and chunks',
      'GET /stream?topic=room:1 HTTP/1.1\r\nhost: localhost\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n',
    ],
    [
      'a length below nothing',
      'GET /stream?topic=room:1 HTTP/1.1\r\nhost: localhost\r\ncontent-length: -1\r\n\r\n',
    ],
    [
      'a length that is none',
      'GET /stream?topic=room:1 HTTP/1.1\r\nhost: localhost\r\ncontent-length: x\r\n\r\n',
    ],
    [
      'chunks that are none',
      'GET /stream?topic=room:1 HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n',
    ],
    ['TLS', '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n'],
    [
      'an upgrade',
      'GET /stream?topic=room:1 HTTP/1.1\r\nhost: localhost\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n',
    ],
    ['line feeds alone', 'GET /stream?topic=room:1 HTTP/1.1\nhost: localhost\n\n'],
    ['nothing but line ends', '\r\n'.repeat(5_000)],
  ]
  for (const [door, open] of doors) {
    test(`on ${door} is answered, cut or left alone, and costs the others nothing`, async () => {
      const on = open()
      declare(on.hub)
      const healthy = await healthyReader(on)
      for (const [what, head] of heads) {
        const client = raw(on, Buffer.from(head, 'latin1'))
        await settled(() => client.answer !== '' || client.over, 500).catch(() => {})
        const [status = 0] = statuses(client.answer)
        expect([what, status < 500 || status === 501 || status === 505]).toEqual([what, true])
        client.socket.destroy()
      }
      await healthy.ok()
      await settled(() => on.hub.stats().active === 1)
    })
  }

  test('pipelined requests are answered one after the other; one behind a stream ends that connection', async () => {
    const on = serve()
    declare(on.hub)
    const healthy = await healthyReader(on)
    const bad = 'GET /stream/nope HTTP/1.1\r\nhost: localhost\r\n\r\n'
    const good = 'GET /stream?topic=room:1 HTTP/1.1\r\nhost: localhost\r\n\r\n'
    const client = raw(on, bad + bad + good)
    await settled(() => statuses(client.answer).length === 3)
    await on.hub.publish('room:1', 'a')
    await settled(() => client.answer.includes('data: a'))
    expect(statuses(client.answer)).toEqual([404, 404, 200])
    expect(on.hub.stats().active).toBe(2)
    // Bun's way: it never leaves two requests open on one connection.
    client.socket.write(bad)
    await settled(() => client.over && on.hub.stats().active === 1)
    const flood = raw(on, good.repeat(200))
    await settled(() => flood.over && on.hub.stats().active === 1, 10_000)
    await healthy.ok()
  })

  test('500 heads that never end cost the readers nothing', async () => {
    const { url, ask } = await startStrict({ database: temporary() })
    const client = await connect(`${url}/stream?topic=room:1`)
    await live(client)
    const ages = async () => {
      const all: number[] = []
      for (let n = 0; n < 100; n++) {
        const before = client.events.length
        const began = performance.now()
        await ask({ publish: ['room:1', `${n}`] })
        await client.until(() => client.events.length > before)
        all.push(performance.now() - began)
      }
      return all.sort((a, b) => a - b)
    }
    const memory = async () => ((await ask({ memory: true })) as { rss: number }).rss
    const [quiet, before] = [await ages(), await memory()]
    const halves = Array.from({ length: 500 }, () =>
      raw({ url }, 'GET /stream?topic=room:1 HTTP/1.1\r\nhost: localhost\r\nx-a: '),
    )
    await settled(() => halves.every(({ socket }) => socket.readyState === 'open'))
    for (const { socket } of halves) socket.write('x'.repeat(1_000))
    const crowded = await ages()
    expect(crowded[50]).toBeLessThan(Math.max(50, 5 * (quiet[50] as number)))
    expect(((await memory()) - before) / 1_048_576).toBeLessThan(20)
    expect((await connect(`${url}/stream?topic=room:1`)).status).toBe(200)
  })
})

/** Holds the write lock of a database in a process of its own, until it is ended. */
async function lock(database: string): Promise<Bun.Subprocess> {
  const locker = Bun.spawn(
    [
      process.execPath,
      '-e',
      `
      const { Database } = require('bun:sqlite')
      const db = new Database(${JSON.stringify(database)})
      db.run('pragma busy_timeout = 5000')
      db.run('begin immediate')
      db.run("insert into hw_meta values ('locked', 'x')")
      console.log('locked')
      setInterval(() => {}, 1000)`,
    ],
    { stdout: 'pipe', stderr: 'inherit' },
  )
  lockers.push(locker)
  await (locker.stdout as ReadableStream).getReader().read()
  return locker
}

describe('a database', () => {
  test('that another process locks for 7 s holds up nobody who reads; what can not be kept is told', async () => {
    const database = temporary()
    const { url, ask, program } = await startStrict({ database, limits: { heartbeat: 200 } })
    const client = await connect(`${url}/stream?topic=room:1`)
    await live(client)
    const locker = await lock(database)
    const beats = () => client.raw.length
    let [last, longest] = [performance.now(), 0]
    let before = beats()
    const watch = setInterval(() => {
      if (beats() === before) return
      before = beats()
      longest = Math.max(longest, performance.now() - last)
      last = performance.now()
    }, 5)
    const publishing = ask({ publish: ['room:1', 'never'] }, 10_000)
    for (let n = 0; n < 10; n++) {
      const began = performance.now()
      const late = await connect(`${url}/stream?topic=room:1`)
      expect(late.status).toBe(200)
      await live(late)
      expect(performance.now() - began).toBeLessThan(500)
      late.cut()
      await Bun.sleep(700)
    }
    expect(await publishing).toEqual({
      failed: expect.stringMatching(/locked|busy/i),
      name: expect.any(String),
    })
    clearInterval(watch)
    expect(longest).toBeLessThan(1_000)
    locker.kill('SIGKILL')
    await locker.exited
    expect(await ask({ publish: ['room:1', 'after'] })).toEqual({ done: null })
    await client.until(() => client.events.length > 0)
    expect(client.events.map(({ data }) => data)).toEqual(['after'])
    expect(program.over).toBeUndefined()
  })

  test('that is locked for a second delays a publish and a revocation, and loses neither', async () => {
    const database = temporary()
    const { url, ask } = await startStrict({ database })
    const client = await connect(`${url}/stream?topic=room:1`, { headers: { 'x-user': 'ann' } })
    await live(client)
    const locker = await lock(database)
    setTimeout(() => locker.kill('SIGKILL'), 1_000)
    expect(await ask({ publish: ['room:1', 'a'] })).toEqual({ done: null })
    await client.until(() => client.events.length > 0)
    const again = await lock(database)
    setTimeout(() => again.kill('SIGKILL'), 1_000)
    expect(await ask({ revoke: { viewer: 'ann' } })).toEqual({ done: null })
    await client.until(() => client.ended)
  })

  const ways: [string, (client: Database) => void, RegExp, (client: Database) => void][] = [
    [
      'becomes read-only',
      (client) => client.run('pragma query_only = on'),
      /readonly|read-only/i,
      (client) => client.run('pragma query_only = off'),
    ],
    [
      'is full',
      (client) => {
        const { page_count } = client.query('pragma page_count').get() as { page_count: number }
        client.run(`pragma max_page_count = ${page_count}`)
      },
      /full/i,
      (client) => client.run('pragma max_page_count = 1073741823'),
    ],
  ]
  for (const [what, spoil, reason, mend] of ways) {
    test(`that ${what} rejects what it can not keep, says why, and goes on when it is mended`, async () => {
      const client = new Database(':memory:', { strict: true })
      const on = serve({ database: client, limits: { heartbeat: 100 } })
      declare(on.hub)
      const reader = await connect(`${on.url}/stream?topic=room:1`)
      await live(reader)
      await on.hub.publish('room:1', 'before')
      spoil(client)
      const big = 'x'.repeat(100_000)
      const failed = await on.hub.publish('room:1', big).catch((error) => error)
      expect(failed).toBeInstanceOf(Error)
      expect(failed.message).toMatch(reason)
      const revoked = await on.hub
        .revoke({ topic: `a${'b'.repeat(1_000)}` })
        .catch((error) => error)
      if (what !== 'is full') expect(revoked.message).toMatch(reason)
      const beats = reader.raw.length
      const late = await connect(`${on.url}/stream?topic=room:1`)
      expect(late.status).toBe(200)
      await late.until(() => late.raw.includes('before'))
      await reader.until(() => reader.raw.length > beats)
      mend(client)
      await on.hub.publish('room:1', 'after')
      await reader.until(() => reader.events.length === 2)
      expect(reader.events.map(({ data }) => data)).toEqual(['before', 'after'])
    })
  }

  test.skipIf(process.platform !== 'linux')(
    'on a disk that takes no more rejects what it can not keep, and the process lives',
    async () => {
      const database = temporary()
      const { url, ask, program } = await startStrict({ database, fileLimit: 512 * 1024 })
      const client = await connect(`${url}/stream?topic=room:1`)
      await live(client)
      const failures: string[] = []
      for (let n = 0; n < 40 && failures.length < 3; n++) {
        const said = await ask({ publish: ['room:1', `${n} ${'x'.repeat(50_000)}`] })
        if ('failed' in said) failures.push(said.failed)
      }
      expect(failures).toHaveLength(3)
      for (const failure of failures) expect(failure).toMatch(/full|disk|I\/O/i)
      expect(program.over).toBeUndefined()
      const late = await connect(`${url}/stream?topic=room:1`)
      expect(late.status).toBe(200)
      await late.until(() => late.events.length > 0)
      expect(client.ended).toBe(false)
    },
  )

  const broken: [string, (file: string) => void, RegExp][] = [
    [
      'is no database at all',
      (file) => writeFileSync(file, 'Dear diary,\n'.repeat(1_000)),
      /not a database/,
    ],
    [
      'is one of random bytes',
      (file) => writeFileSync(file, crypto.getRandomValues(new Uint8Array(50_000))),
      /not a database/,
    ],
    [
      'has lost its schema',
      (file) => spoilPages(file, 0, 100, 4_000),
      /malformed|corrupt|not a database/,
    ],
    [
      'belongs to another version of SQLite',
      (file) => spoilPages(file, 0, 18, 2),
      /database|readonly|read/,
    ],
  ]
  for (const [what, spoil, reason] of broken) {
    test(`that ${what} is refused when the hub is made, by name`, () => {
      const file = temporary()
      // By another process: SQLite may not find its shared memory cut short.
      const script = `new (require('headwater').Hub)({ database: ${JSON.stringify(file)} }).close()`
      Bun.spawnSync([process.execPath, '-e', script], { cwd: import.meta.dir })
      for (const rest of ['-wal', '-shm']) rmSync(file + rest, { force: true })
      spoil(file)
      let failed: unknown
      try {
        new Hub({ database: file }).close()
      } catch (error) {
        failed = error
      }
      expect(failed).toBeInstanceOf(Error)
      expect((failed as Error).message).toStartWith(`Could not open the database "${file}": `)
      expect((failed as Error).message).toMatch(reason)
    })
  }

  test('that may only be read, or that may not be made, is refused when the hub is made, by name', () => {
    const file = temporary()
    const made = `new (require('headwater').Hub)({ database: file }).close()`
    const run = (name: string, script: string) =>
      Bun.spawnSync([process.execPath, '-e', `const file = ${JSON.stringify(name)}; ${script}`], {
        cwd: import.meta.dir,
      })
    expect(run(file, made).exitCode).toBe(0)
    chmodSync(file, 0o444)
    chmodSync(dirname(file), 0o555)
    // Root may write everywhere.
    const asAnybody = `require('headwater'); if (process.getuid() === 0) process.seteuid(65534); ${made}`
    for (const name of [file, `${file}.new`]) {
      const { exitCode, stderr } = run(name, asAnybody)
      expect(exitCode).toBe(1)
      expect(stderr.toString()).toMatch(
        new RegExp(
          `Could not open the database "${name}": (attempt to write a readonly|unable to open)`,
        ),
      )
    }
  })

  test('whose folder is missing, or that is a folder, is refused by name', () => {
    for (const file of ['/nowhere/at/all.db', '/proc', '/dev/null/x']) {
      expect(() => new Hub({ database: file })).toThrow(`Could not open the database "${file}": `)
    }
    const client = new Database(':memory:')
    client.close()
    expect(() => new Hub({ database: client })).toThrow(
      'Could not open the database given to the hub: ',
    )
  })

  test('whose pages are overwritten while it is served rejects what it can not keep, and the process lives', async () => {
    const database = temporary()
    const { url, ask, program } = await startStrict({ database, limits: { heartbeat: 200 } })
    const client = await connect(`${url}/stream?topic=room:1`)
    await live(client)
    // More than SQLite holds in memory, so that it has to read the file again.
    for (let n = 0; n < 900; n++) {
      await ask({ publish: ['room:1', `${n} ${'x'.repeat(8_000)}`] })
    }
    await client.until(() => client.events.length === 900)
    const other = new Database(database)
    const truncate = other.query<{ busy: number }, []>('pragma wal_checkpoint(truncate)')
    // The thread that copies the write-ahead log may be at it.
    await settled(() => truncate.get()?.busy === 0)
    other.close()
    spoilPages(database, 4_096, 0, readFileSync(database).byteLength - 4_096)
    // As long as the pages that it needs are in its memory, it can keep something.
    for (let n = 0, kept = true; kept && n < 500; n++) {
      kept = 'done' in ((await ask({ publish: [`other:${n}`, 'x'.repeat(8_000)] })) as object)
    }
    for (let n = 0; n < 5; n++) {
      const failed = { failed: expect.stringContaining('malformed'), name: expect.any(String) }
      expect(await ask({ publish: [`room:${n}`, 'after'] })).toEqual(failed)
    }
    expect(await ask({ revoke: { viewer: 'ann' } })).toMatchObject({
      failed: expect.stringContaining('malformed'),
    })
    // Nobody is shown half of something as the whole.
    const late = await connect(`${url}/stream?topic=room:1`)
    await late.until(() => late.ended)
    expect([late.events, late.lastEventId]).toEqual([[], ''])
    const { errors } = (await ask({ errors: true })) as { errors: string[] }
    expect(errors[0]).toContain('malformed')
    const beats = client.raw.length
    await client.until(() => client.raw.length > beats)
    expect([client.ended, client.events.length, program.over]).toEqual([false, 900, undefined])
  })
})

/** Overwrites bytes of a file with others that mean nothing. */
function spoilPages(file: string, position: number, skip: number, length: number): void {
  const descriptor = openSync(file, 'r+')
  writeSync(descriptor, Buffer.alloc(length, 0xa5), 0, length, position + skip)
}
