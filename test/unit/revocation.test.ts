/**
 * Whether two patterns name a topic that is the same: what is revoked is compared with what is followed by it. And what
 * a change of the revoked costs: as much with many of them as with few.
 */
import { afterEach, describe, expect, test } from 'bun:test'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { openStore, type Store } from '../../src/db'
import { overlap, Revocation } from '../../src/revocation'
import { asPattern, asTopic, matches, type Topic } from '../../src/topic'

/** All topics of up to six segments out of `a`, `b` and `c`. */
const topics: Topic[] = []
let longest = ['a', 'b', 'c']
for (let length = 1; length <= 6; length++) {
  topics.push(...longest.map(asTopic))
  longest = longest.flatMap((topic) => ['a', 'b', 'c'].map((segment) => `${topic}:${segment}`))
}

test('H-10 patterns overlap exactly where some topic is named by both', () => {
  const part = fc.constantFrom('a', 'b', '*', '**')
  const pattern = fc
    .array(part, { minLength: 1, maxLength: 3 })
    .map((parts) => asPattern(parts.join(':')))
  fc.assert(
    fc.property(pattern, pattern, (one, other) => {
      const common = topics.find((topic) => matches(one, topic) && matches(other, topic))
      expect([one, other, overlap(one, other)]).toEqual([one, other, common !== undefined])
    }),
    { seed: 7, numRuns: 500 },
  )
})

test('H-10 a pattern of hundreds of ** costs no more than its length allows', () => {
  const deep = asPattern(Array(250).fill('**:a').join(':').slice(0, 1_000).replace(/:$/, ''))
  const other = asPattern(deep.replaceAll('a', 'b'))
  const began = performance.now()
  expect(overlap(deep, asPattern(`${other.slice(0, -5)}:c`))).toBe(false)
  expect(overlap(deep, asPattern('**'))).toBe(true)
  expect(performance.now() - began).toBeLessThan(500)
})

describe('what was revoked', () => {
  const day = 86_400_000
  const undo: (() => void)[] = []
  afterEach(() => {
    for (const one of undo.splice(0).toReversed()) one()
  })

  function file(): () => Store {
    const folder = mkdtempSync(join(tmpdir(), 'headwater-'))
    undo.push(() => rmSync(folder, { recursive: true, force: true }))
    return () => {
      const store = openStore(join(folder, 'test.db'))
      undo.push(() => store.close())
      return store
    }
  }

  const ann = { viewer: 'ann' }
  const isOut = (revoked: Revocation, viewer = 'ann') => revoked.refuses(viewer, [asPattern('a')])
  const until = ({ client }: Store) => client.query('select until from hw_revocation').all()

  test('H-10 counts at once in its own process, which reads no row of it again', async () => {
    const store = file()()
    const revoked = new Revocation(store)
    for (const viewer of ['ann', 'bob', 'cid']) await revoked.add({ viewer }, undefined)
    // Were they read again, who was revoked before would be forgotten.
    store.client.run('delete from hw_revocation')
    await revoked.add({ viewer: 'dan' }, day)
    expect(isOut(revoked, 'dan')).toBe(true)
    await revoked.remove({ viewer: 'bob' })
    expect([revoked.load(), revoked.load()]).toEqual([true, false])
    const out = ['ann', 'bob', 'cid', 'dan', 'eve'].map((viewer) => isOut(revoked, viewer))
    expect(out).toEqual([true, false, true, true, false])
  })

  test('H-10 is changed by index: no statement looks through the rows', async () => {
    const { own, client } = file()()
    const said: string[] = []
    const prepare = client.prepare.bind(client)
    client.prepare = ((text: string) => {
      said.push(text)
      return prepare(text)
    }) as typeof client.prepare
    const revoked = new Revocation({ own } as Store)
    said.length = 0
    await revoked.add(ann, day)
    await revoked.add({ viewer: 'ann', topic: 'a:*' }, undefined)
    await revoked.remove({ topic: 'a' })
    expect(revoked.load()).toBe(true)
    const about = said.filter((text) => text.includes('hw_revocation'))
    expect(about.length).toBeGreaterThan(4)
    for (const text of about) {
      const plan = client.query<{ detail: string }, []>(`explain query plan ${text}`).all()
      expect([text, plan.filter(({ detail }) => detail.startsWith('SCAN'))]).toEqual([text, []])
    }
  })

  test('H-10 of two processes that take turns is known to both', async () => {
    const open = file()
    const [here, there] = [new Revocation(open()), new Revocation(open())]
    await here.add(ann, day)
    // It has not looked yet: its own change must not hide the other's.
    await there.add({ viewer: 'bob' }, day)
    for (const one of [here, there]) {
      expect([one.load(), one.load()]).toEqual([true, false])
      expect([isOut(one), isOut(one, 'bob')]).toEqual([true, true])
    }
    await there.remove(ann)
    expect([here.load(), isOut(here), isOut(there)]).toEqual([true, false, false])
  })

  test('H-10 for long is not shortened by a shorter one, only granted', async () => {
    const store = file()()
    const revoked = new Revocation(store)
    await revoked.add(ann, day)
    const [first] = until(store)
    await revoked.add(ann, 20)
    expect(until(store)).toEqual([first])
    await revoked.add(ann, undefined)
    await revoked.add(ann, 20)
    await revoked.add(ann, new Date(0))
    expect(until(store)).toEqual([{ until: null }])
    await Bun.sleep(30)
    expect([isOut(revoked), isOut(new Revocation(store))]).toEqual([true, true])
    await revoked.remove(ann)
    expect([isOut(revoked), until(store)]).toEqual([false, []])
    await revoked.add(ann, 20)
    await revoked.add(ann, day)
    await Bun.sleep(30)
    expect(isOut(revoked)).toBe(true)
  })

  test('H-10 goes from memory and the database with a later one when its time is over', async () => {
    const store = file()()
    const revoked = new Revocation(store)
    await revoked.add(ann, 1)
    await Bun.sleep(5)
    expect(isOut(revoked)).toBe(false)
    await revoked.add({ viewer: 'bob' }, day)
    expect(store.client.query('select viewer from hw_revocation').all()).toEqual([
      { viewer: 'bob' },
    ])
  })
})
