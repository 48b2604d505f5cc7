import { describe, expect, test } from 'bun:test'
import fc from 'fast-check'
import { type Beginning, Stages } from '../../src/stages'
import { type Subscription, Subscriptions } from '../../src/subscriptions'
import { asPattern } from '../../src/topic'

const none: readonly never[] = []

function subscription(id: string): Subscription {
  const topics = [asPattern(`room:${id}`)]
  return { id, topics, ended: none, open: none, aside: none, first: none, cursor: undefined }
}

/** A reader of one page who reads numbers in place of events, and notes which each address was given. */
class Model {
  readonly all = new Subscriptions()
  readonly stages = new Stages(this.all)
  readonly given = new Map<Subscription, number[]>()
  /** Where each one began. */
  readonly began = new Map<Subscription, number>()
  cursor = 0
  head = 0

  follow(asked: readonly { id: string; from: number | undefined }[]): void {
    const beginnings: Beginning[] = asked.map(({ id, from }) => ({
      subscription: subscription(id),
      from: from === undefined ? undefined : Math.min(from, this.head),
    }))
    this.all.add(beginnings.map(({ subscription }) => subscription))
    this.all.take()
    this.cursor = this.stages.plan(this.cursor, beginnings)
  }

  /** Reads at most so many numbers. */
  read(most: number): void {
    for (let steps = 0; steps < most; ) {
      this.stages.leave()
      for (let stage = this.stages.enter(this.cursor, this.head); stage; ) {
        const from = Number.isFinite(stage.from) ? stage.from : this.cursor
        if (!stage.isBack) for (const one of stage.subscriptions) this.#begin(one, from)
        stage = this.stages.enter(this.cursor, this.head)
      }
      if (this.cursor >= this.head) return
      this.cursor++
      for (const one of this.stages.active) this.given.get(one)?.push(this.cursor)
      steps++
    }
  }

  #begin(one: Subscription, from: number): void {
    expect(this.began.has(one)).toBe(false)
    this.began.set(one, from)
    this.given.set(one, [])
  }
}

type Act =
  | { publish: number }
  | { read: number }
  | { drop: number }
  | { follow: (number | undefined)[] }

const act: fc.Arbitrary<Act> = fc.oneof(
  fc.record({ publish: fc.integer({ min: 1, max: 20 }) }),
  fc.record({ read: fc.integer({ min: 1, max: 15 }) }),
  fc.record({ drop: fc.nat(20) }),
  fc.record({
    follow: fc.array(fc.option(fc.nat(100), { nil: undefined }), { minLength: 1, maxLength: 4 }),
  }),
)

describe('the stages of a page', () => {
  test('give each address all from its cursor on, once and in order, whatever is asked for meanwhile', () => {
    fc.assert(
      fc.property(fc.array(act, { maxLength: 60 }), (acts) => {
        const model = new Model()
        let count = 0
        const asked = new Map<string, number | undefined>()
        for (const one of acts) {
          if ('publish' in one) model.head += one.publish
          else if ('read' in one) model.read(one.read)
          else if ('drop' in one) model.all.drop([`s${one.drop}`])
          else {
            const wanted = one.follow.map((from) => ({ id: `s${count++}`, from }))
            for (const { id, from } of wanted) {
              asked.set(id, from === undefined ? undefined : Math.min(from, model.head))
            }
            model.follow(wanted)
          }
        }
        model.read(Number.POSITIVE_INFINITY)
        for (const [one, given] of model.given) {
          const from = model.began.get(one) as number
          const known = asked.get(one.id)
          if (known !== undefined) expect(from).toBe(known)
          expect(given).toEqual(given.map((_, i) => from + 1 + i))
          if (model.all.has(one)) expect(from + given.length).toBe(model.head)
        }
        const left = [...asked.keys()].filter((id) => model.all.knows(id))
        expect([...model.given.keys()].filter((one) => model.all.has(one))).toHaveLength(
          left.length,
        )
      }),
      { numRuns: 500 },
    )
  })

  test('an address without a cursor begins where the others have everything, and costs them nothing', () => {
    const model = new Model()
    model.head = 10
    model.follow([{ id: 'a', from: 4 }])
    model.read(2)
    model.follow([{ id: 'b', from: undefined }])
    model.read(100)
    expect(model.cursor).toBe(10)
    model.head = 12
    model.read(100)
    expect([...model.given.values()]).toEqual([
      [5, 6, 7, 8, 9, 10, 11, 12],
      [11, 12],
    ])
  })
})
