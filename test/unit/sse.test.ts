/**
 * C-07: the wire, read back by a parser that follows the standard.
 */
import { describe, expect, test } from 'bun:test'
import fc from 'fast-check'
import { comment, encode, type Frame, frame, idOnly, retryHint } from '../../src/sse'
import { EventStream } from '../support/client'

function read(...texts: string[]): EventStream {
  const stream = new EventStream()
  stream.push(encode(texts.join('')))
  return stream
}

const hostile = fc.string({
  maxLength: 40,
  unit: fc.oneof(
    fc.constantFrom(
      '\r',
      '\n',
      '\r\n',
      '\0',
      '\ud800',
      '\udc00',
      ':',
      ' ',
      '\ufeff',
      '\u2028',
      '\u0085',
    ),
    fc.constantFrom('\n\nevent: x\n', 'data: ', '\rid: 9\r', 'retry: 1\n', '🌊'),
    fc.string({ minLength: 1, maxLength: 1, unit: 'binary' }),
  ),
})
const asRead = (text: string) => text.toWellFormed().replace(/\r\n|\r/g, '\n')

describe('a frame', () => {
  test('C-07 carries any string as data, 10,000 of them in one stream', () => {
    const samples = [...fc.sample(hostile, 9_995), '', '\n', '\r\n', '\r', '\n\n']
    const stream = read(...samples.map((data) => frame({ event: 'x', data })))
    expect(stream.events.length).toBe(samples.length)
    for (const [i, { name, data }] of stream.events.entries()) {
      if (name !== 'x' || data !== asRead(samples[i] ?? '')) {
        expect([name, data]).toEqual(['x', asRead(samples[i] ?? '')])
      }
    }
    expect([stream.retry, stream.lastEventId, stream.comments]).toEqual([undefined, '', []])
  })

  test('C-07 carries its name and id, or throws', () => {
    fc.assert(
      fc.property(hostile, hostile, hostile, (event, id, data) => {
        let text: string
        try {
          text = frame({ event, id, data })
        } catch (error) {
          expect(error).toBeInstanceOf(TypeError)
          // biome-ignore lint/suspicious/noControlCharactersInRegex: what must not get through
          expect(event + id).toMatch(/[\u0000-\u001f\u007f]/)
          return
        }
        const [got, ...more] = read(text).events
        expect(more).toEqual([])
        const names = [event.toWellFormed() || 'message', id.toWellFormed()]
        expect([got?.name, got?.id].map((name) => name?.trim())).toEqual(
          names.map((name) => name.trim()),
        )
        expect(got?.data).toBe(asRead(data))
      }),
      { numRuns: 3_000 },
    )
  })

  for (const control of ['\r', '\n', '\r\n', '\0', '\t', '\x1b', '\x7f']) {
    test(`C-07 throws for ${JSON.stringify(control)} in a name or an id`, () => {
      for (const bad of [control, `a${control}b`, `a${control}`]) {
        expect(() => frame({ event: bad, data: '' })).toThrow(TypeError)
        expect(() => frame({ id: bad, data: '' })).toThrow(TypeError)
        expect(() => idOnly(bad)).toThrow(TypeError)
      }
    })
  }

  test('without a name is a message; with no data at all it is still dispatched', () => {
    const frames: Frame[] = [{ data: '' }, { data: 'a', id: '1' }, { event: 'done', data: '' }]
    expect(read(...frames.map(frame)).events).toEqual([
      { id: '', name: 'message', data: '' },
      { id: '1', name: 'message', data: 'a' },
      { id: '1', name: 'done', data: '' },
    ])
  })
})

describe('beside the frames', () => {
  test('an id alone moves the last id and dispatches nothing', () => {
    const stream = read(idOnly('e.7'))
    expect([stream.lastEventId, stream.events]).toEqual(['e.7', []])
  })

  test('a comment and a retry hint dispatch nothing, and are understood', () => {
    const stream = read(retryHint(1_499.6), comment, comment)
    expect([stream.retry, stream.comments.length, stream.events]).toEqual([1_500, 2, []])
    expect(stream.lastEventId).toBe('')
  })

  test('encodes as UTF-8, with lone surrogates as U+FFFD', () => {
    expect([...encode('a\ud800b')]).toEqual([0x61, 0xef, 0xbf, 0xbd, 0x62])
    expect(new TextDecoder().decode(encode('🌊ä'))).toBe('🌊ä')
  })
})
