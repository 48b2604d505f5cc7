/**
 * The runtime's parser, held to the one that the socket tests trust.
 */
import { describe, expect, test } from 'bun:test'
import fc from 'fast-check'
import { type Block, parser } from '../../src/client/parser'
import { EventStream } from '../support/client'

function read(...pieces: (string | Uint8Array)[]): { blocks: Block[]; retries: number[] } {
  const retries: number[] = []
  const parse = parser((milliseconds) => retries.push(milliseconds))
  const bytes = pieces.map((one) => (typeof one === 'string' ? new TextEncoder().encode(one) : one))
  return { blocks: bytes.flatMap((piece) => parse(piece)), retries }
}

describe("the runtime's parser", () => {
  test('gives name, data and the id of its own block only', () => {
    expect(read('id: E.1\nevent: a\ndata: x\ndata:  y\n\ndata: z\n\n').blocks).toEqual([
      ['a', 'x\n y', 'E.1'],
      ['message', 'z', undefined],
    ])
  })

  test('tells of an id alone, not of a comment, a name alone or what the end cuts off', () => {
    expect(read(':\n\nevent: a\n\nid: E.2\n\ndata: cut\n').blocks).toEqual([
      ['message', undefined, 'E.2'],
    ])
  })

  test('keeps an empty data line, and ignores an id with NUL', () => {
    expect(read('event: done\ndata:\n\nid: 4\0\ndata\ndata\n\n').blocks).toEqual([
      ['done', '', undefined],
      ['message', '\n', undefined],
    ])
  })

  test('takes a retry of digits only', () => {
    expect(read('retry: 250\nretry: 2e3\nretry:\nretry: -1\n').retries).toEqual([250])
  })

  test('strips one byte order mark, and ends lines at CR, LF and CRLF over chunks', () => {
    const mark = [new Uint8Array([0xef, 0xbb]), new Uint8Array([0xbf])]
    const { blocks } = read(...mark, 'data: a\r', '\n\r', '\ndata: b\r\rdata: c\n\r\n')
    expect(blocks.map(([, data]) => data)).toEqual(['a', 'b', 'c'])
    expect(read('\ufeff\ufeffdata: a\n\n').blocks).toEqual([])
  })

  test('reads in any pieces what the trusted parser reads', () => {
    const words = ['data', 'event', 'id', 'retry', ':', ' ', '\r', '\n', '\r\n', 'x', '5']
    const piece = fc.constantFrom(...words, '\0', 'ä', '🌊', '\ufeff', '\u2028', 'id: E.1\n\n')
    fc.assert(
      fc.property(
        fc.array(piece, { maxLength: 80 }),
        fc.array(fc.nat({ max: 200 })),
        (pieces, cuts) => {
          // What comes next shows that the last CR was no half of a CRLF.
          const bytes = new TextEncoder().encode(`${pieces.join('')}:`)
          const at = [0, ...cuts.map((cut) => Math.min(cut, bytes.length)), bytes.length]
          at.sort((a, b) => a - b)
          const trusted = new EventStream()
          trusted.push(bytes)
          const whole = read(bytes)
          const split = read(...at.map((from, i) => bytes.slice(from, at[i + 1] ?? bytes.length)))
          expect(split).toEqual(whole)
          const events = whole.blocks.filter(([, data]) => data !== undefined)
          expect(events.map(([name, data]) => ({ name, data: data as string }))).toEqual(
            trusted.events.map(({ name, data }) => ({ name, data })),
          )
          expect(whole.retries.at(-1)).toBe(trusted.retry as number)
        },
      ),
      { numRuns: 2_000 },
    )
  })
})
