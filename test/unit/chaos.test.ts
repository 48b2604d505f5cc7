/**
 * The parts of the chaos test that judge: what they would let pass would pass unseen.
 */
import { describe, expect, test } from 'bun:test'
import { snapshotFrame } from '../../src/wire'
import { Page } from '../chaos/page'
import { plan } from '../chaos/plan'
import { item } from '../chaos/themes'

const topic = 'job:a:lines'
const deleting = (name: string) =>
  `<hx-partial hx-target="#${name},document" hx-swap="delete"></hx-partial>${item(name)}`

describe('the faults of the chaos test', () => {
  test('are the same for the same seed, and others for another', () => {
    expect(plan(1, 1, 250, 80)).toEqual(plan(1, 1, 250, 80))
    expect(plan(2, 1, 250, 80)).not.toEqual(plan(1, 1, 250, 80))
    expect(plan(1, 2, 250, 80)).not.toEqual(plan(1, 1, 250, 80))
  })

  test('are of every kind, in a round', () => {
    const kinds = new Set(plan(1, 1, 250, 80).map(({ kind }) => kind))
    expect(kinds.size).toBe(12)
  })
})

describe('the page of the chaos test', () => {
  test('names an item that it is sent again and that did not delete itself first', () => {
    const page = new Page('')
    expect(page.log(topic, item('a-1')).again).toEqual([])
    expect(page.log(topic, deleting('a-1')).again).toEqual([])
    expect(page.log(topic, item('a-1')).again).toEqual(['a-1'])
  })

  test('moves what is sent again to the end, and begins anew with a snapshot', () => {
    const page = new Page('')
    for (const name of ['a-1', 'a-2', 'a-3']) page.log(topic, item(name))
    page.log(topic, deleting('a-1'))
    expect([...(page.logs.get(topic) ?? [])]).toEqual(['a-2', 'a-3', 'a-1'])
    const events = ['a-4', 'a-5'].map((name) => ({ form: 'slot', data: item(name) }))
    const frame = snapshotFrame(...([topic, events] as unknown as Parameters<typeof snapshotFrame>))
    const data = /^data: (.*)$/m.exec(frame)?.[1] as string
    expect(page.log(topic, data)).toEqual({ reset: true, names: ['a-4', 'a-5'], again: [] })
    expect([...(page.logs.get(topic) ?? [])]).toEqual(['a-4', 'a-5'])
  })
})
