/**
 * The client that the socket tests trust: by the examples of the WHATWG standard, and in any pieces.
 */
import { describe, expect, test } from 'bun:test'
import fc from 'fast-check'
import { EventStream } from '../support/client'

function parse(...pieces: (string | Uint8Array)[]): EventStream {
  const stream = new EventStream()
  for (const piece of pieces) {
    stream.push(typeof piece === 'string' ? new TextEncoder().encode(piece) : piece)
  }
  return stream
}

const datas = (stream: EventStream) => stream.events.map(({ data }) => data)

describe('the parser of the test client', () => {
  test('joins data lines and dispatches at the blank line', () => {
    expect(parse('data: YHOO\ndata: +2\ndata: 10\n\n').events).toEqual([
      { id: '', name: 'message', data: 'YHOO\n+2\n10' },
    ])
  })

  test("follows the standard's example of comments, ids and a leading space", () => {
    const stream = parse(
      ': test stream\n\ndata: first event\nid: 1\n\ndata:second event\nid\n\ndata:  third event\n\n',
    )
    expect(stream.comments).toEqual([' test stream'])
    expect(stream.events).toEqual([
      { id: '1', name: 'message', data: 'first event' },
      { id: '', name: 'message', data: 'second event' },
      { id: '', name: 'message', data: ' third event' },
    ])
  })

  test('dispatches an empty data line, and drops an event that the end cuts off', () => {
    expect(datas(parse('data\n\ndata\ndata\n\ndata:'))).toEqual(['', '\n'])
  })

  test('moves the last id by a block of an id alone and dispatches nothing', () => {
    const stream = parse('id: 7\n\n')
    expect(stream.events).toEqual([])
    expect(stream.lastEventId).toBe('7')
    expect(parse('id: 8\n').lastEventId).toBe('')
  })

  test('keeps the id for later events and ignores one with NUL', () => {
    expect(parse('id: 3\ndata: a\n\nid: 4\0\ndata: b\n\n').events.map(({ id }) => id)).toEqual([
      '3',
      '3',
    ])
  })

  test('forgets the name after a block, also after one without data', () => {
    expect(parse('event: x\n\ndata: a\n\nevent: y\ndata: b\n\ndata: c\n\n').events).toEqual([
      { id: '', name: 'message', data: 'a' },
      { id: '', name: 'y', data: 'b' },
      { id: '', name: 'message', data: 'c' },
    ])
  })

  test('takes a retry of digits only', () => {
    expect(parse('retry: 250\n').retry).toBe(250)
    expect(parse('retry: 2e3\nretry:\nretry: -1\n').retry).toBeUndefined()
  })

  test('strips one byte order mark, at the beginning only', () => {
    expect(
      datas(parse(new Uint8Array([0xef, 0xbb]), new Uint8Array([0xbf]), 'data: a\n\n')),
    ).toEqual(['a'])
    expect(datas(parse('\ufeff\ufeffdata: a\n\ndata: b\n\n'))).toEqual(['b'])
  })

  test('ends lines at CR, LF and CRLF, also when a chunk ends between the two', () => {
    expect(datas(parse('data: a\r', '\n\r', '\ndata: b\r\rdata: c\n\r\n'))).toEqual(['a', 'b', 'c'])
  })

  test('reads the same events in any pieces', () => {
    const piece = fc.constantFrom(
      ...[
        'data',
        'event',
        'id',
        'retry',
        ':',
        ' ',
        '\r',
        '\n',
        '\r\n',
        'x',
        '5',
        '\0',
        'ä',
        '🌊',
        '\ufeff',
      ],
    )
    fc.assert(
      fc.property(
        fc.array(piece, { maxLength: 80 }),
        fc.array(fc.nat({ max: 200 })),
        (pieces, cuts) => {
          const bytes = new TextEncoder().encode(pieces.join(''))
          const at = [0, ...cuts.map((cut) => Math.min(cut, bytes.length)), bytes.length]
          at.sort((a, b) => a - b)
          const whole = parse(bytes)
          const split = parse(...at.map((from, i) => bytes.slice(from, at[i + 1] ?? bytes.length)))
          expect(split.events).toEqual(whole.events)
          expect(split.comments).toEqual(whole.comments)
          expect([split.lastEventId, split.retry]).toEqual([whole.lastEventId, whole.retry])
        },
      ),
      { numRuns: 2_000 },
    )
  })
})
