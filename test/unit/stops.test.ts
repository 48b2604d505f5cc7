/**
 * Marks that stop something, and which of them are meant for it.
 */
import { expect, test } from 'bun:test'
import { Stops } from '../../src/stops'
import { asTopic } from '../../src/topic'

const topic = asTopic('chat:1')

function add(stops: Stops) {
  const told: boolean[] = []
  return { told, ...held(stops.add(topic, (isClosing) => told.push(isClosing))) }
}

const held = (one: ReturnType<Stops['add']>) => ({
  begin: (seq: number) => one.begin(seq),
  release: one.release,
})

test('D-10 D-23 a mark counts for what had begun before it, in whatever order that is heard', () => {
  const stops = new Stops()
  const before = add(stops)
  const after = add(stops)
  before.begin(3)
  stops.hear(topic, 4)
  stops.hear(asTopic('chat:2'), 6)
  after.begin(5)
  expect(before.told).toEqual([false])
  expect(after.told).toEqual([])
  const late = add(stops)
  stops.hear(topic, 8)
  expect(late.told).toEqual([])
  late.begin(7)
  expect(late.told).toEqual([false])
})

test('D-10 what is over hears nothing more; a hub that closes stops all, begun or not', () => {
  const stops = new Stops()
  const over = add(stops)
  const one = add(stops)
  over.begin(1)
  over.release()
  over.release()
  stops.hear(topic, 2)
  stops.close()
  expect(over.told).toEqual([])
  expect(one.told).toEqual([true])
})
