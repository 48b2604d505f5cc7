/**
 * Coming back, in Chromium on stock htmx 2 and its extension: whatever is cut, refused, restored or given up, the
 * page shows every line once and the newest state. What is counted is what stands in the DOM.
 */
import { afterAll, describe, expect, setDefaultTimeout, test } from 'bun:test'
import { createServer, connect as openSocket, type Socket } from 'node:net'
import { type Hub, MultiStreamManager } from '../../src'
import { attributes } from '../../src/html'
import { connectAttributes } from '../../src/slot'
import { closeBrowser, newPage, until } from '../support/browser'
import { startSite } from '../support/site'

setDefaultTimeout(60_000)
afterAll(closeBrowser)

interface Job {
  id: string
  done: number
}

/** How the slots of the page are connected. */
type Layout = 'over one connection' | 'with a connection each'

/** What a scenario may differ in. */
interface Options {
  /** How many lines are kept. @default 1000 */
  count?: number
  /** When a browser comes back, in milliseconds. @default 20 */
  retry?: number
  /** Called for each page after its cursor was taken, before and after its data is read. */
  reading?: (when: 'before' | 'after') => Promise<void>
}

function jobsOf(hub: Hub, job: Job, count: number) {
  return new MultiStreamManager<Job>(hub, { name: 'job', getEntity: () => job })
    .register({ name: 'progress', kind: 'state', render: ({ done }) => `<b>${done}</b>` })
    .register({
      name: 'lines',
      kind: 'log',
      keep: { count },
      key: (line: { n: number }) => line.n,
      render: ({ n }: { n: number }) => `<li>${n}</li>`,
    })
}

/** A proxy that cuts streams after so many bytes or right after a text, and at once when it is told to. */
async function startCutter(port: number) {
  const streams = new Set<Socket>()
  const all = new Set<Socket>()
  const cutter = {
    port: 0,
    cuts: 0,
    /** Where in its response the next stream is cut; nowhere when it gives nothing. */
    after: (): number | string | undefined => undefined,
    cut: () => {
      for (const socket of streams) socket.destroy()
    },
    close: () => {
      for (const socket of all) socket.destroy()
      return new Promise<void>((done) => server.close(() => done()))
    },
  }
  const server = createServer((client) => {
    const upstream = openSocket(port, '127.0.0.1')
    let place: number | string | undefined
    let response = ''
    for (const socket of [client, upstream]) {
      all.add(socket)
      socket.on('error', () => {})
      socket.on('close', () => {
        all.delete(socket)
        streams.delete(client)
        client.destroy()
        upstream.destroy()
      })
    }
    client.on('data', (bytes: Buffer) => {
      if (bytes.toString('latin1').startsWith('GET /stream')) {
        streams.add(client)
        place = cutter.after()
        response = ''
      }
      upstream.write(bytes)
    })
    upstream.on('data', (bytes: Buffer) => {
      if (place === undefined) return client.write(bytes)
      const before = response.length
      response += bytes.toString('latin1')
      const at = typeof place === 'number' ? place : endOf(place, response)
      if (response.length < at) return client.write(bytes)
      cutter.cuts++
      place = Number.POSITIVE_INFINITY
      // What was written is to arrive; then the connection is gone.
      return client.write(bytes.subarray(0, Math.max(0, at - before)), () => client.destroy())
    })
  })
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
  const address = server.address()
  cutter.port = typeof address === 'object' && address ? address.port : 0
  return cutter
}

function endOf(text: string, response: string): number {
  const at = response.indexOf(text)
  return at < 0 ? Number.POSITIVE_INFINITY : at + text.length
}

/** A page with a log and a state, behind a proxy, and the means to say more and to look at what it shows. */
async function open(layout: Layout, { count = 1_000, retry = 20, reading }: Options = {}) {
  const job: Job = { id: 'a', done: 0 }
  let jobs: ReturnType<typeof jobsOf> | undefined
  const site = startSite({ limits: { retry } }, (hub) => {
    const made = jobsOf(hub, job, count)
    jobs = made
    const connect = layout === 'with a connection each'
    const slot = async (stream: 'lines' | 'progress', as: string, id: string) => {
      const content = await made.initial({ ...job }, stream)
      return made.element('a', stream, { as, id, connect, content })
    }
    return {
      '/': async () => {
        await reading?.('before')
        const slots = (await slot('lines', 'ol', 'list')) + (await slot('progress', 'p', 'cell'))
        await reading?.('after')
        const to = attributes(connectAttributes(made.address(['a'])))
        return `<div id="main">${connect ? slots : `<div${to}>${slots}</div>`}
          <a href="/other" hx-get="/other" hx-target="#main" hx-push-url="true">other</a></div>`
      },
      '/other': () => '<p id="other">other</p>',
    }
  })
  const cutter = await startCutter(site.port)
  const { page, seen } = await newPage()
  const say = async (lines: number) => {
    for (let i = 0; i < lines; i++) {
      job.done++
      void jobs?.publish('a', 'progress', { ...job })
      await jobs?.publish('a', 'lines', { n: job.done })
    }
  }
  const streams = layout === 'with a connection each' ? 2 : 1
  return {
    site,
    cutter,
    page,
    seen,
    job,
    say,
    /** Opens the page and waits until its streams are open. */
    async load() {
      await page.goto(`http://127.0.0.1:${cutter.port}/`)
      await until(() => site.hub.stats().active === streams)
    },
    streams,
    requests: () => site.requests.filter(({ path }) => path.startsWith('/stream')),
    shown: () => page.$$eval('#list > li', (all) => all.map((li) => Number(li.textContent))),
    /** Waits for the newest line and state, and compares all that stands there. */
    async expectWhole(first = 1) {
      const last = job.done
      await until(
        () =>
          page.evaluate(
            (n) =>
              document.querySelector('#list > li:last-child')?.textContent === n &&
              document.querySelector('#cell')?.textContent === n,
            String(last),
          ),
        { timeout: 20_000, what: `line and state ${last}` },
      )
      const shown = await this.shown()
      const wanted = Array.from({ length: last - first + 1 }, (_, i) => first + i)
      const lost = wanted.filter((n) => !shown.includes(n))
      const doubled = shown.filter((n, i) => shown.indexOf(n) !== i)
      expect({ lost, doubled }).toEqual({ lost: [], doubled: [] })
      expect(shown).toEqual(wanted)
      const cells = await page.$$eval('#cell > b', (all) => all.map((b) => b.textContent))
      expect(cells).toEqual([String(last)])
    },
    async close() {
      expect(seen.pageErrors).toEqual([])
      // The deletions that go before replayed lines are silent where there is nothing to delete.
      expect(seen.consoleErrors.filter((line) => line.includes('Target'))).toEqual([])
      await page.close()
      await cutter.close()
      await site.close()
    },
  }
}

const busy = () => new Response('busy', { status: 503 })

for (const layout of ['over one connection', 'with a connection each'] as const) {
  describe(`a log and a state ${layout}`, () => {
    test('H-01 come through cuts at any byte of a run of 500 events', async () => {
      const room = await open(layout, { retry: 5 })
      await room.load()
      // Most in the middle of an event, some in the head: that is where htmx forgets the Last-Event-ID.
      let round = 0
      room.cutter.after = () => (++round % 25 === 0 ? 100 : 250 + ((round * 61) % 1_150))
      room.cutter.cut()
      for (let turn = 0; room.cutter.cuts < 100 && turn < 3_000; turn++) {
        if (room.job.done < 500) await room.say(5)
        else if (turn % 10 === 0) await room.say(1)
        await Bun.sleep(5)
      }
      expect(room.cutter.cuts).toBeGreaterThanOrEqual(100)
      expect(room.job.done).toBeGreaterThanOrEqual(500)
      room.cutter.after = () => undefined
      await room.expectWhole()
      await room.say(3)
      await room.expectWhole()
      await room.close()
    })

    test('H-01 come through a 503 in mid-stream, after which htmx forgets the Last-Event-ID', async () => {
      const room = await open(layout)
      await room.say(3)
      await room.load()
      await room.say(5)
      await room.expectWhole()
      let refused = 0
      room.site.intercept = () => (refused++ < room.streams ? busy() : undefined)
      room.cutter.cut()
      // Some while it is away, some while it comes back.
      await room.say(4)
      await until(async () => {
        await room.say(1)
        return refused > room.streams
      })
      await until(() => room.site.hub.stats().active === room.streams)
      for (const { lastEventId } of room.requests().slice(-room.streams)) {
        expect(lastEventId).toBeNull()
      }
      await room.expectWhole()
      // And once more, with what it was sent again.
      room.cutter.cut()
      await room.say(4)
      await room.expectWhole()
      await room.close()
    })

    test('H-01 come through a history restore, which brings back old markup with an old since', async () => {
      const room = await open(layout)
      await room.say(2)
      await room.load()
      for (let round = 0; round < 3; round++) {
        await room.say(4)
        await room.expectWhole()
        await room.page.click('a')
        await room.page.waitForSelector('#other')
        await room.say(3)
        await room.page.goBack()
        await room.expectWhole()
      }
      await room.say(2)
      await room.expectWhole()
      await room.close()
    })

    test('H-01 come through a cut before the first event', async () => {
      const room = await open(layout)
      await room.say(2)
      // In the head, after it, after the opening, and in the first event. Until a browser has the retry hint, it
      // comes back after three seconds.
      const places = ['HTTP/1.1', '\r\n\r\n', 'retry: 20\n', 'id: ', 'event: job', 'data: <']
      let tried = 0
      room.cutter.after = () => {
        const place = places[Math.floor(tried++ / room.streams)]
        // What the cut keeps away.
        if (place !== undefined) void room.say(1)
        return place
      }
      await room.page.goto(`http://127.0.0.1:${room.cutter.port}/`)
      await until(() => tried > room.streams * places.length, { timeout: 30_000 })
      expect(room.cutter.cuts).toBeGreaterThanOrEqual(places.length)
      await room.expectWhole()
      await room.say(3)
      await room.expectWhole()
      await room.close()
    })

    test('H-02 a since older than the data doubles nothing, and what came after the data is not missed', async () => {
      let say = async (_: number) => {}
      const room = await open(layout, {
        reading: (when) => say(when === 'before' ? 5 : 4),
      })
      say = room.say
      await room.say(3)
      room.site.intercept = () => {
        // Before the stream is opened.
        void room.say(1)
        return undefined
      }
      await room.load()
      room.site.intercept = undefined
      await room.expectWhole()
      // The stream began three lines in, the page was read at the eighth.
      expect(room.job.done).toBeGreaterThanOrEqual(13)
      await room.say(3)
      await room.expectWhole()
      await room.close()
    })

    test('H-03 a cursor older than the history gives a full repair, without a hole', async () => {
      const room = await open(layout, { count: 40 })
      await room.say(6)
      await room.load()
      await room.expectWhole()
      room.site.intercept = busy
      room.cutter.cut()
      await until(() => room.site.hub.stats().active === 0)
      await room.say(150)
      const topic = 'job:a:lines' as Parameters<Hub['log']['last']>[0]
      await until(async () => (await room.site.hub.log.trimmed([topic], 6)).length > 0)
      const kept = await room.site.hub.log.last(topic, 1_000)
      room.site.intercept = undefined
      const first = Number(kept[0]?.key)
      expect(first).toBeGreaterThan(7)
      await room.expectWhole(first)
      await room.say(5)
      await room.expectWhole(first)
      // Now it has everything, and a cut is a cut.
      room.cutter.cut()
      await room.say(5)
      await room.expectWhole(first)
      await room.close()
    })

    test('H-03 a page that was restored with a cursor older than the history is repaired too', async () => {
      const room = await open(layout, { count: 40 })
      await room.say(6)
      await room.load()
      await room.expectWhole()
      await room.page.click('a')
      await room.page.waitForSelector('#other')
      await room.say(150)
      const topic = 'job:a:lines' as Parameters<Hub['log']['last']>[0]
      await until(async () => (await room.site.hub.log.trimmed([topic], 6)).length > 0)
      const first = Number((await room.site.hub.log.last(topic, 1_000))[0]?.key)
      await room.page.goBack()
      await room.expectWhole(first)
      await room.say(5)
      await room.expectWhole(first)
      await room.close()
    })
  })
}
