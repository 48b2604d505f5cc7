/**
 * Uploads to `examples/jobs`, sent over plain sockets to the real program in a process of its own.
 */
import { afterEach, describe, expect, setDefaultTimeout, test } from 'bun:test'
import { readFileSync } from 'node:fs'
import { basename, dirname } from 'node:path'
import { noise } from '../../examples/jobs/testing'
import { until } from '../support/browser'
import { endJobs, form, headOf, type Jobs, send, startJobs, tail } from '../support/jobs'
import { expectOwn } from '../support/own-site'

setDefaultTimeout(60_000)
afterEach(endJobs)

const isDone = ({ state }: { state: string }) => state === 'done'
const isFailed = ({ state }: { state: string }) => state === 'failed'

/** Every file that is kept lies in a folder of its own upload, and nothing else is there. */
function expectKept(jobs: Jobs, names: readonly string[]): void {
  const kept = jobs.kept()
  expect(kept.map((path) => basename(path)).sort()).toEqual([...names].sort())
  for (const path of kept) expect(dirname(dirname(path))).toBe(jobs.uploads)
}

function sha256(bytes: Uint8Array): string {
  return new Bun.CryptoHasher('sha256').update(bytes).digest('hex')
}

describe('an upload', () => {
  test('two at once: each a job with live figures, and then worked through like a folder', async () => {
    const jobs = await startJobs({ workers: 2 })
    const contents = [noise(6_000_000, 1), noise(4_000_001, 2)] as const
    const bodies = contents.map((content, i) => form([{ name: `file-${i}.bin`, content }]))
    const senders = await Promise.all(
      bodies.map((body) => send(jobs.url, body.subarray(0, 2_000_000), { length: body.length })),
    )
    for (const [i, body] of bodies.entries()) {
      const job = await jobs.until(
        `file-${i}.bin`,
        ({ state, bytesDone, throughput, rates }) =>
          state === 'uploading' && bytesDone > 1_990_000 && throughput > 0 && rates.length > 1,
      )
      expect(job).toMatchObject({ kind: 'upload', receivedAt: null, currentFile: job.name })
      // The length of the form is all that is known of the file's.
      expect(job.bytesTotal).toBe(body.length)
      expect(job.bytesDone).toBeLessThanOrEqual(2_000_000)
    }
    expect(await jobs.page()).toContain('2 uploading')
    for (const [i, sender] of senders.entries()) {
      await sender.write((bodies[i] as Buffer).subarray(2_000_000))
      await sender.answered()
      expect(sender.status).toBe(303)
    }
    for (const [i, content] of contents.entries()) {
      const { files, bytesDone, receivedAt } = await jobs.until(`file-${i}.bin`, isDone)
      expect(files).toMatchObject([
        { path: `file-${i}.bin`, size: content.length, sha256: sha256(content), error: null },
      ])
      expect(bytesDone).toBe(content.length)
      expect(receivedAt).not.toBeNull()
    }
    expectKept(jobs, ['file-0.bin', 'file-1.bin'])
    for (const path of jobs.kept()) {
      const content = contents[path.endsWith('0.bin') ? 0 : 1]
      expect(readFileSync(path).equals(content)).toBe(true)
    }
    expect(jobs.complained).toBe('')
  })

  test('several files in one form are one job; without a length, and in chunks of any size', async () => {
    const jobs = await startJobs()
    const contents = [noise(100_000), Buffer.from(''), Buffer.from(`\r\n--x-boundar\r\n\r\n--`)]
    const body = form(contents.map((content, i) => ({ name: `part ${i}`, content })))
    const sender = await send(jobs.url, '', { length: null })
    for (let from = 0; from < body.length; from += 7919) {
      await sender.write(body.subarray(from, from + 7919))
    }
    await sender.finish()
    expect(sender.status).toBe(303)
    const { files } = await jobs.until('part 0', isDone)
    expect(files.map(({ path, sha256, size }) => ({ path, sha256, size }))).toEqual(
      contents.map((content, i) => ({
        path: `part ${i}`,
        sha256: sha256(content),
        size: content.length,
      })),
    )
  })

  test('one that breaks off is failed with a sentence, nothing of it is kept, and the other goes on', async () => {
    const jobs = await startJobs()
    const body = form([{ name: 'whole.bin', content: noise(3_000_000) }])
    const other = await send(jobs.url, body.subarray(0, 1_000_000), { length: body.length })
    const sender = await send(jobs.url, headOf('cut.bin'), { length: 9_000_000 })
    await sender.write(noise(1_500_000))
    await jobs.until('cut.bin', ({ bytesDone }) => bytesDone > 1_400_000)
    expectKept(jobs, ['cut.bin', 'whole.bin'])
    sender.cut()
    const failed = await jobs.until('cut.bin', isFailed)
    expect(failed.error).toBe(
      'The upload broke off after 1.5 MB: the connection was closed. Upload it again.',
    )
    expect(failed.currentFile).toBeNull()
    expectKept(jobs, ['whole.bin'])
    // There is nothing to work on.
    const again = await jobs.post(`/jobs/${failed.id}/start`)
    expect([again.status, await again.text()]).toEqual([
      409,
      'Cannot start the job cut.bin: it was not uploaded whole.\n',
    ])
    await other.write(body.subarray(1_000_000))
    await jobs.until('whole.bin', isDone)
    expect(jobs.complained).toBe('')
  })

  test('cancel cuts it at once, also when the sender has stalled or does not listen', async () => {
    const jobs = await startJobs()
    const stalled = await send(jobs.url, headOf('stalled.bin'), { length: 9_000_000 })
    await stalled.write(noise(100_000))
    const { id } = await jobs.until('stalled.bin', ({ bytesDone }) => bytesDone > 90_000)
    const busy = await send(jobs.url, headOf('busy.bin'), { length: 9_000_000_00 })
    let isSending = true
    const sending = (async () => {
      while (isSending && !busy.isClosed) {
        await busy.write(new Uint8Array(50_000))
        await Bun.sleep(2)
      }
    })()
    const { id: other } = await jobs.until('busy.bin', ({ bytesDone }) => bytesDone > 200_000)
    for (const one of [id, other]) expect((await jobs.post(`/jobs/${one}/cancel`)).status).toBe(303)
    for (const sender of [stalled, busy]) {
      await sender.closed()
      expect(sender.status).toBe(409)
      expect(sender.answer).toContain('.bin was cancelled.')
    }
    isSending = false
    await sending
    for (const name of ['stalled.bin', 'busy.bin']) {
      const job = await jobs.until(name, ({ state }) => state === 'cancelled')
      expect(job).toMatchObject({ error: null, currentFile: null, throughput: 0 })
      expect(job.bytesDone).toBeGreaterThan(90_000)
    }
    await until(() => jobs.kept().length === 0)
    expect(jobs.complained).toBe('')
  })

  test('the program ends in the middle of one: it is failed, by SIGTERM and by SIGKILL', async () => {
    const jobs = await startJobs()
    for (const [name, stop] of [
      ['term.bin', () => jobs.end()],
      ['kill.bin', () => jobs.kill()],
    ] as const) {
      const sender = await send(jobs.url, headOf(name), { length: 9_000_000 })
      await sender.write(noise(1_000_000))
      await jobs.until(name, ({ bytesDone }) => bytesDone > 900_000)
      await stop()
      await sender.closed()
      await jobs.start()
      const failed = await jobs.until(name, isFailed)
      expect(failed.error).toBe('The upload broke off: the program ended. Upload it again.')
      await until(() => jobs.kept().length === 0)
    }
    expect(await jobs.page()).toContain('The upload broke off: the program ended.')
    // What was there whole is still there.
    const whole = await send(jobs.url, form([{ name: 'whole.bin', content: noise(50_000) }]))
    await whole.answered()
    const { id } = await jobs.until('whole.bin', isDone)
    await jobs.kill()
    await jobs.start()
    expect((await jobs.post(`/jobs/${id}/start`)).status).toBe(303)
    await jobs.until('whole.bin', isDone)
    expectKept(jobs, ['whole.bin'])
  })

  test('a large one costs no memory, however fast it comes', async () => {
    const jobs = await startJobs()
    const part = noise(1_000_000)
    const upload = async (name: string, size: number) => {
      const sender = await send(jobs.url, headOf(name), { length: size })
      for (let sent = 0; sent < size - 2_000_000; sent += part.length) await sender.write(part)
      const { id } = await jobs.until(name, ({ bytesDone }) => bytesDone > size - 8_000_000)
      const { peak } = jobs
      await jobs.post(`/jobs/${id}/cancel`)
      await sender.closed()
      return peak
    }
    // What any upload takes: buffers on their way, and those that were not collected yet.
    const before = await upload('some.bin', 200_000_000)
    const size = 1_000_000_000
    expect((await upload('large.bin', size)) - before).toBeLessThan(size / 10)
  })
})

describe('what is refused', () => {
  test('more than the limit: at once if it says so, else when it is reached; what just fits is taken', async () => {
    const jobs = await startJobs({ limit: 2 })
    const sentence = 'The upload is larger than 2.0 MB, which is the most that is taken.'
    const honest = await send(jobs.url, headOf('honest.bin'), { length: 4_000_000 })
    await honest.closed()
    expect(honest.status).toBe(413)
    expect(honest.answer).toContain(sentence)
    expect(await jobs.job('honest.bin')).toBeUndefined()

    const silent = await send(jobs.url, headOf('silent.bin'), { length: null })
    while (silent.status === 0 && !silent.isClosed) await silent.write(noise(500_000))
    expect(silent.status).toBe(413)
    expect(silent.answer).toContain(sentence)
    expect((await jobs.until('silent.bin', isFailed)).error).toBe(sentence)

    const content = noise(2_000_000)
    const fitting = await send(jobs.url, form([{ name: 'fits.bin', content }]))
    await fitting.answered()
    expect(fitting.status).toBe(303)
    const files = [1, 2].map((n) => ({ name: `half-${n}.bin`, content: noise(1_000_001) }))
    const together = await send(jobs.url, form(files))
    await together.closed()
    expect(together.status).toBe(413)
    await jobs.until('half-1.bin', isFailed)
    await jobs.until('fits.bin', isDone)
    expectKept(jobs, ['fits.bin'])
  })

  test('a fifth at the same time; when one is over, there is room', async () => {
    const jobs = await startJobs()
    const senders = await Promise.all(
      [1, 2, 3, 4].map((n) => send(jobs.url, headOf(`${n}.bin`), { length: 1_000_000 })),
    )
    for (const n of [1, 2, 3, 4]) {
      await jobs.until(`${n}.bin`, ({ state }) => state === 'uploading')
    }
    const fifth = await send(jobs.url, headOf('5.bin'), { length: 1_000_000 })
    await fifth.closed()
    expect(fifth.status).toBe(503)
    expect(fifth.answer).toContain('There are 4 uploads already: wait for one to end.')
    senders[0]?.cut()
    await jobs.until('1.bin', isFailed)
    const next = await send(jobs.url, form([{ name: '6.bin', content: noise(10) }]))
    await next.answered()
    expect(next.status).toBe(303)
  })

  test('four that trickle and begin no file hold their places for ten seconds, and no longer', async () => {
    const jobs = await startJobs()
    const senders = await Promise.all(
      [1, 2, 3, 4].map(() => send(jobs.url, 'x', { length: 900_000 })),
    )
    const trickle = setInterval(() => {
      for (const sender of senders) void sender.write('x')
    }, 500)
    try {
      const body = form([{ name: 'mine.txt', content: noise(10) }])
      await until(
        async () => {
          const sender = await send(jobs.url, body)
          await sender.answered()
          return sender.status === 303
        },
        { timeout: 15_000, what: 'a free place' },
      )
      await Promise.all(senders.map((sender) => sender.answered()))
      for (const { answer } of senders) {
        expect(answer).toStartWith('HTTP/1.1 408 ')
        expect(answer).toContain('No file began within 10 seconds.')
      }
    } finally {
      clearInterval(trickle)
    }
    await jobs.until('mine.txt', isDone)
    expect((await jobs.page()).match(/<tr id="job-/g)).toHaveLength(2)
    expect(jobs.complained).toBe('')
  })

  test('what is no form with a file, or none that ends', async () => {
    const jobs = await startJobs()
    const type = 'multipart/form-data'
    const field = '--x-boundary\r\nContent-Disposition: form-data; name="files"\r\n\r\nhi'
    const long = `--x-boundary\r\nContent-Disposition: form-data; x="${'x'.repeat(20_000)}"\r\n\r\n`
    const cases: [status: number, words: string, body: string, more?: object][] = [
      [415, 'Expected a form with a file.', 'x=1', { type: 'application/x-www-form-urlencoded' }],
      [415, 'Expected a form with a file.', 'x', { type }],
      [400, 'Expected a file, got none.', ''],
      [400, 'Expected a file, got none.', field + tail],
      [400, 'Expected a file, got none.', headOf('') + tail],
      [400, 'The form ended before its last boundary.', 'x'],
      [400, 'The form ended before its last boundary.', `${headOf('open.txt')}hi`],
      [400, 'A part of the form has too long a head.', long],
      [413, 'too much beside its files', `${field}${'x'.repeat(1_500_000)}${tail}`],
      [413, 'too much beside its files', 'x'.repeat(1_500_000)],
    ]
    for (const [status, words, body, more] of cases) {
      const sender = await send(jobs.url, body, more)
      await sender.answered()
      expect({ body: body.slice(0, 60), status: sender.status }).toEqual({
        body: body.slice(0, 60),
        status,
      })
      expect(sender.answer).toContain(words)
    }
    // Only what had begun to come is a job.
    expect((await jobs.until('open.txt', isFailed)).error).toBe(
      'The form ended before its last boundary.',
    )
    expect((await jobs.page()).match(/<tr id="job-/g)).toHaveLength(2)
    expectKept(jobs, [])
    expect(jobs.complained).toBe('')
  })

  test('a large body that is no upload, and an upload from another site', async () => {
    const jobs = await startJobs()
    const type = 'application/x-www-form-urlencoded'
    for (const length of [50_000_000, null]) {
      const sender = await send(jobs.url, 'folder=x', { path: '/jobs', type, length })
      await sender.closed()
      expect(sender.status).toBe(413)
    }
    const response = await fetch(`${jobs.url}/uploads`, {
      method: 'POST',
      headers: { 'sec-fetch-site': 'cross-site' },
      body: (() => {
        const data = new FormData()
        data.append('files', new File(['x'], 'x.txt'))
        return data
      })(),
    })
    expect(response.status).toBe(403)
    expect(await jobs.job('x.txt')).toBeUndefined()
  })
})

describe('who asks', () => {
  test('a host that is none of this machine, and another site, get nothing; a host that is named does', async () => {
    const jobs = await startJobs({ env: { HOSTS: 'jobs.example,other.example' } })
    await expectOwn(
      jobs.url,
      ['/', '/nowhere', '/style.css', '/jobs/x/log', '/stream'],
      ['/jobs', '/start', '/nowhere'],
    )
  })

  test('a page that is not there says so, with its policy', async () => {
    const jobs = await startJobs()
    const ask = (headers: Record<string, string>) => fetch(`${jobs.url}/nowhere`, { headers })
    const cases: [headers: Record<string, string>, status: number, words: string][] = [
      [{}, 404, 'There is no such page.\n'],
      [{ accept: 'text/html' }, 404, '<title>'],
      [{ 'hx-request': 'true' }, 200, 'There is no such page.'],
    ]
    for (const [headers, status, words] of cases) {
      const response = await ask(headers)
      const body = await response.text()
      expect([response.status, body]).toEqual([status, expect.stringContaining(words)])
      expect(body).toContain('There is no such page.')
      expect(response.headers.get('content-security-policy')).toContain("default-src 'none'")
    }
  })
})

describe('hostile names', () => {
  test('each is one file of the folder of its own upload, and words on the page', async () => {
    const jobs = await startJobs()
    const names: [sent: string, kept: string][] = [
      ['../../../escape.txt', 'escape.txt'],
      ['/etc/passwd', 'passwd'],
      ['C:\\windows\\win.ini', 'win.ini'],
      ['..', 'upload'],
      ['.', 'upload (2)'],
      ['a/', 'upload (3)'],
      ['nul\0l.txt', 'nul_l.txt'],
      ['two%0D%0Alines.txt', 'two__lines.txt'],
      ['<img src=x onerror=alert(1)>.txt', '<img src=x onerror=alert(1)>.txt'],
      ['%22quoted%22 & &lt;b&gt;.txt', '"quoted" & &lt;b&gt;.txt'],
      ['back\\"slash.txt', 'back"slash.txt'],
      ['%2e%2e%2fnot-decoded', '%2e%2e%2fnot-decoded'],
      ['grüße 日本語 😀.txt', 'grüße 日本語 😀.txt'],
      ['same.txt', 'same.txt'],
      ['same.txt', 'same (2).txt'],
      ['.hidden', '.hidden'],
      [`${'ü'.repeat(400)}.tar`, `${'ü'.repeat(49)}${'ü'.repeat(49)}.tar`],
    ]
    const files = names.map(([name], i) => ({ name, content: Buffer.from(`${i}\n`) }))
    const first = names[0]?.[1] as string
    const sender = await send(jobs.url, form(files))
    await sender.answered()
    expect(sender.status).toBe(303)
    const { files: done } = await jobs.until(first, isDone)
    expectKept(
      jobs,
      names.map(([, kept]) => kept),
    )
    for (const [i, [, kept]] of names.entries()) {
      const path = jobs.kept().find((path) => basename(path) === kept) as string
      expect(readFileSync(path, 'utf8')).toBe(`${i}\n`)
    }
    expect(done.map(({ error }) => error)).toEqual(names.map(() => null))

    // As a job's name, it is in each cell, in what is announced, and in the log.
    const hostile = '<img src=x onerror=alert(1)>"\'&.txt'
    const other = await send(
      jobs.url,
      form([{ name: hostile.replace('"', '%22'), content: noise(9) }]),
    )
    await other.answered()
    const { id } = await jobs.until(hostile, isDone)
    const log = await fetch(`${jobs.url}/jobs/${id}/log`)
    for (const page of [await jobs.page(), await log.text()]) {
      expect(page).not.toContain('<img')
      expect(page).toContain('&lt;img src=x onerror=alert(1)&gt;&quot;&#x27;&amp;.txt')
    }
    expect(jobs.complained).toBe('')
  })
})
