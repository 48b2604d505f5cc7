/** The benchmark's browser scenario: what its figures are made of. */
import { describe, expect, test } from 'bun:test'
import { dropped } from '../../bench/browser/during'
import { fields, Jobs } from '../../bench/browser/jobs'
import { selfTimes } from '../../bench/browser/profile'
import { ownTimes, type TraceEvent } from '../../bench/browser/trace'

describe('the jobs', () => {
  const rows = 25
  const cells = rows * fields.length

  /** Which cells were changed, each to something else than it was. */
  function changes(jobs: Jobs, change: () => ReturnType<Jobs['change']>): string[] {
    return Array.from({ length: cells }, () => {
      const before = structuredClone(jobs.all)
      const { job, field } = change()
      expect(job[field]).not.toBe(before[Number(job.id)]?.[field] as string)
      expect({ ...job, [field]: 0 }).toEqual({ ...before[Number(job.id)], [field]: 0 } as never)
      return `${job.id} ${field}`
    })
  }

  test('each cell is changed once before one has its second turn', () => {
    const jobs = new Jobs(rows)
    for (const _ of ['first', 'second']) {
      expect(new Set(changes(jobs, () => jobs.change())).size).toBe(cells)
    }
  })

  test('all cells are changed from the first to the last', () => {
    const jobs = new Jobs(rows)
    const each = jobs.changeAll()
    const changed = changes(jobs, () => each.next().value as ReturnType<Jobs['change']>)
    expect(new Set(changed).size).toBe(cells)
    expect([changed[0], changed.at(-1)]).toEqual(['0 state', '24 note'])
    expect(each.next().done).toBe(true)
  })
})

test('a frame is dropped when the next one comes later than one and a half', () => {
  expect(dropped([16.7, 16.6, 24.9])).toBe(0)
  expect(dropped([25.1, 16.7])).toBe(1)
  expect(dropped([33.4, 16.7, 50.1])).toBe(3)
  expect(dropped([])).toBe(0)
})

test('the time of a function is that in which it was on top', () => {
  const frame = (functionName: string, url = '') => ({ functionName, url, lineNumber: 6 })
  const found = selfTimes({
    nodes: [
      { id: 1, callFrame: frame('(idle)') },
      { id: 2, callFrame: frame('swap', 'http://127.0.0.1/a/htmx.js') },
      // The same function, called by another.
      { id: 3, callFrame: frame('swap', 'http://127.0.0.1/a/htmx.js') },
      { id: 4, callFrame: frame('', 'http://127.0.0.1/a/sse.js') },
    ],
    samples: [1, 2, 3, 4, 2],
    timeDeltas: [900, 1_000, 500, 100, 500],
  })
  expect(found).toEqual([
    { name: 'swap htmx.js:7', time: 2 },
    { name: '(idle)', time: 0.9 },
    { name: '(anonymous) sse.js:7', time: 0.1 },
  ])
})

test('the time of a kind of work is that without the work inside, on the main thread of the busiest page', () => {
  const event = (name: string, ts: number, dur: number, pid = 1, tid = 1): TraceEvent => {
    return { name, ph: 'X', pid, tid, ts, dur }
  }
  const main = (pid: number): TraceEvent => {
    return { name: 'thread_name', ph: 'M', pid, tid: 1, ts: 0, args: { name: 'CrRendererMain' } }
  }
  const found = ownTimes([
    main(2),
    main(1),
    // As they come: by their ends.
    event('Layout', 1_100, 300),
    event('Layout', 1_500, 200),
    event('Task', 1_000, 1_000),
    event('Paint', 2_000, 500),
    event('Task', 2_000, 600),
    event('Task', 0, 9_000, 2),
    event('Task', 0, 9_000, 1, 7),
    { name: 'Mark', ph: 'I', pid: 1, tid: 1, ts: 1_200 },
  ])
  expect(found).toEqual([
    { name: 'Task', time: 0.6, count: 2 },
    { name: 'Layout', time: 0.5, count: 2 },
    { name: 'Paint', time: 0.5, count: 1 },
  ])
})
