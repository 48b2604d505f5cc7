/**
 * Signed addresses: good for exactly what they were made for. And network addresses: which of them caps count as one.
 */
import { describe, expect, test } from 'bun:test'
import fc from 'fast-check'
import { expiryOf, Signer } from '../../src/address'
import { addressOf, networkOf } from '../../src/origin'

const soon = () => Date.now() + 60_000

function signed(signer: Signer, query: string, viewer?: string, path = '/stream/job') {
  const asked = new URLSearchParams(query)
  signer.sign(path, asked, soon(), viewer)
  return asked
}

/** As it arrives: through a URL and back. */
const arrive = (query: URLSearchParams, path = '/stream/job') =>
  new URL(`${path}?${query}`, 'http://localhost').searchParams

describe('an address', () => {
  const signer = new Signer('secret')

  test('is good as it was signed, whatever the ids are', () => {
    fc.assert(
      fc.property(fc.array(fc.string({ unit: 'binary' }), { maxLength: 5 }), (ids) => {
        const query = new URLSearchParams(ids.map((id) => ['id', id.toWellFormed()]))
        signer.sign('/stream/job', query, soon())
        expect(signer.refuse('/stream/job', arrive(query))).toBeUndefined()
      }),
    )
  })

  test('does not vouch for since, nor mind its place in the query', () => {
    const query = signed(signer, 'id=1')
    query.set('since', 'e.9')
    expect(signer.refuse('/stream/job', query)).toBeUndefined()
    const turned = new URLSearchParams([...query].toReversed())
    expect(signer.refuse('/stream/job', turned)).toBeUndefined()
  })

  const changes: [string, (query: URLSearchParams) => void][] = [
    ['another id', (query) => query.set('id', '2')],
    ['an added id', (query) => query.append('id', '2')],
    ['no id', (query) => query.delete('id')],
    ['all', (query) => query.set('all', '')],
    ['an added topic', (query) => query.append('topic', 'x')],
    ['a later expiry', (query) => query.set('exp', String(Number(query.get('exp')) + 1))],
    ['the same expiry spelled otherwise', (query) => query.set('exp', `0${query.get('exp')}`)],
  ]
  for (const [what, change] of changes) {
    test(`is forged with ${what}`, () => {
      const query = signed(signer, 'id=1')
      change(query)
      expect(signer.refuse('/stream/job', query)).toBe('forged')
    })
  }

  test('is forged on another path, also when the parts are cut elsewhere', () => {
    const query = signed(signer, 'id=1')
    for (const path of ['/stream', '/stream/jobs', '/stream/job/lines', '/stream/job/']) {
      expect(signer.refuse(path, query)).toBe('forged')
    }
    const joined = signed(signer, 'id=1&id=2')
    joined.delete('id')
    joined.set('id', '1,2')
    expect(signer.refuse('/stream/job', joined)).toBe('forged')
  })

  test('is forged with any bit of its signature changed, and never an error', () => {
    const query = signed(signer, 'id=1')
    const sig = query.get('sig') as string
    for (let i = 0; i < sig.length - 1; i++) {
      const other = sig[i] === 'A' ? 'B' : 'A'
      query.set('sig', sig.slice(0, i) + other + sig.slice(i + 1))
      expect(signer.refuse('/stream/job', query)).toBe('forged')
    }
  })

  test('is unsigned without both, malformed with one or with what can not be', () => {
    const refuse = (query: string) => signer.refuse('/stream/job', new URLSearchParams(query))
    const sig = 'A'.repeat(43)
    expect(refuse('id=1')).toBe('unsigned')
    for (const bad of [
      'exp=1',
      `sig=${sig}`,
      `exp=&sig=${sig}`,
      `exp=1e9&sig=${sig}`,
      `exp=Infinity&sig=${sig}`,
      `exp=${'9'.repeat(40)}&sig=${sig}`,
      'exp=1&sig=',
      'exp=1&sig=short',
      `exp=1&sig=${sig}A`,
      `exp=1&sig=${'ä'.repeat(43)}`,
    ]) {
      expect([bad, refuse(bad)]).toEqual([bad, 'malformed'])
    }
  })

  test('expires', () => {
    const query = new URLSearchParams('id=1')
    signer.sign('/stream/job', query, Date.now() - 1)
    expect(signer.refuse('/stream/job', query)).toBe('expired')
  })

  test('is good for its viewer, and for everybody when made for nobody', () => {
    const mine = signed(signer, 'id=1', 'ann')
    expect(signer.refuse('/stream/job', mine, 'ann')).toBeUndefined()
    expect(signer.refuse('/stream/job', mine, 'bob')).toBe('forged')
    expect(signer.refuse('/stream/job', mine)).toBe('forged')
    const open = signed(signer, 'id=1')
    expect(signer.refuse('/stream/job', open, 'ann')).toBeUndefined()
    expect(signer.refuse('/stream/job', signed(signer, 'id=1', ''), 'ann')).toBe('forged')
  })

  test('outlives a rotation of secrets while the old one is listed', () => {
    const query = signed(new Signer('old'), 'id=1')
    expect(new Signer(['new', 'old']).refuse('/stream/job', query)).toBeUndefined()
    expect(new Signer(['new']).refuse('/stream/job', query)).toBe('forged')
    const fresh = signed(new Signer(['new', 'old']), 'id=1')
    expect(new Signer('new').refuse('/stream/job', fresh)).toBeUndefined()
  })

  test('is not made without a secret', () => {
    for (const none of ['', [], ['a', '']]) expect(() => new Signer(none)).toThrow(TypeError)
  })
})

describe('the end of an address', () => {
  const hour = 3_600_000

  test('is a point in time, or so many milliseconds away', () => {
    const at = Date.now() + 5_000
    expect(expiryOf(new Date(at), hour)).toBe(at)
    expect(expiryOf(at, hour)).toBe(at)
    expect(Math.abs(expiryOf(5_000.5, hour) - at)).toBeLessThan(1_000)
    expect(expiryOf(new Date(0), hour)).toBe(0)
  })

  test('is rounded up to the hour when it is the usual one, so that pages stay the same', () => {
    const usual = expiryOf(undefined, hour)
    expect(usual % hour).toBe(0)
    expect(usual - Date.now()).toBeGreaterThan(hour - 1)
  })

  test('is refused when it is none', () => {
    for (const bad of [Number.NaN, Number.POSITIVE_INFINITY, new Date(Number.NaN), '5', null, {}]) {
      expect(() => expiryOf(bad as number, hour)).toThrow(TypeError)
    }
  })
})

describe('H-10 caps count', () => {
  const networks: [string, string][] = [
    ['1.2.3.4', '1.2.3.4'],
    ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64'],
    ['2001:db8:1:2::', '2001:db8:1:2::/64'],
    ['2001:db8:1:2::1', '2001:db8:1:2::/64'],
    ['2001:db8:1:3::1', '2001:db8:1:3::/64'],
    ['2001:db8::1', '2001:db8:0:0::/64'],
    ['2001:db8::3:4:5:6', '2001:db8:0:0::/64'],
    ['2001::2:3:4:5:6', '2001:0:0:2::/64'],
    ['::1', '0:0:0:0::/64'],
    ['::', '0:0:0:0::/64'],
    ['::1:2:3:4:5:6', '0:0:1:2::/64'],
  ]
  for (const [address, network] of networks) {
    test(`${address} as ${network}`, () => expect(networkOf(address)).toBe(network))
  }

  test('an address of IPv4 as itself, however it is spelled in one of IPv6', () => {
    for (const spelled of ['::ffff:1.2.3.4', '::ffff:0102:0304', '[0:0:0:0:0:ffff:102:304]:80']) {
      const headers = { 'x-forwarded-for': spelled }
      expect(addressOf(new Request('http://a', { headers }), undefined, 1)).toBe('1.2.3.4')
    }
  })
})
