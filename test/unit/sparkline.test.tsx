/** @jsxImportSource @kitajs/html */
import { describe, expect, test } from 'bun:test'
import { Sparkline } from '../../components'

/** The attributes of each element, as a browser reads them. */
function read(html: JSX.Element) {
  const found: { tag: string; attributes: Record<string, string> }[] = []
  const decode = (value: string) =>
    value.replace(/&(amp|lt|gt|quot|#39|#x27);/g, (_, name) => decoded[name] as string)
  new HTMLRewriter()
    .on('*', {
      element({ tagName, attributes }) {
        const pairs = [...attributes].map(([name, value]) => [name, decode(value as string)])
        found.push({ tag: tagName, attributes: Object.fromEntries(pairs) })
      },
    })
    .transform(`${html}`)
  return found
}

const decoded: Record<string, string> = {
  amp: '&',
  lt: '<',
  gt: '>',
  quot: '"',
  '#39': "'",
  '#x27': "'",
}

/** The path of the line; undefined where none is drawn. */
function line(html: JSX.Element): string | undefined {
  return read(html).find(({ attributes }) => attributes.fill === 'none')?.attributes.d
}

/** The heights of the line's points, in order, from the top. */
function heights(html: JSX.Element): number[] {
  return [...(line(html) ?? '').matchAll(/[ML][\d.]+ ([\d.]+)/g)].map(([, y]) => Number(y))
}

describe('Sparkline', () => {
  test('is a picture whose name says the figures, drawn by attributes in the colour of the text', () => {
    const drawn = <Sparkline label="Speed of a.zip" values={[1, 4, 2]} width={82} height={20} />
    const [svg, area, path, ...more] = read(drawn)
    expect(svg).toEqual({
      tag: 'svg',
      attributes: {
        class: 'hw-sparkline',
        role: 'img',
        'aria-label': 'Speed of a.zip: 2, max. 4',
        width: '82',
        height: '20',
        viewbox: '0 0 82 20',
      },
    })
    expect(area?.attributes).toMatchObject({
      d: 'M1 20L1 14.5L41 1L81 10L81 20Z',
      fill: 'currentColor',
    })
    expect(path?.attributes).toMatchObject({
      d: 'M1 14.5L41 1L81 10',
      fill: 'none',
      stroke: 'currentColor',
    })
    expect(more).toEqual([])
    expect(`${drawn}`).not.toMatch(/style|class="[^"]*"[^>]*class=|\son/)
  })

  test('the figures may be said in words of the app', () => {
    const [svg] = read(<Sparkline label="Speed" values={[1, 2]} text="2 MB/s, at most 2 MB/s" />)
    expect(svg?.attributes['aria-label']).toBe('Speed: 2 MB/s, at most 2 MB/s')
  })

  test('max says what reaches the top; what is beyond is held there, and below 0 at the ground', () => {
    expect(heights(<Sparkline label="x" values={[5, 10, 20, -5]} max={10} height={22} />)).toEqual([
      11, 1, 1, 21,
    ])
    // Without it, equal values are all at the top, and zeros all at the ground.
    expect(heights(<Sparkline label="x" values={[7, 7]} height={22} />)).toEqual([1, 1])
    expect(heights(<Sparkline label="x" values={[0, 0]} height={22} />)).toEqual([21, 21])
    expect(heights(<Sparkline label="x" values={[-1, -2]} height={22} />)).toEqual([21, 21])
    for (const max of [0, -1, Number.NaN, Number.POSITIVE_INFINITY]) {
      const strange = heights(<Sparkline label="x" values={[1, 2]} max={max} height={22} />)
      expect(strange).toEqual([21, 21])
    }
  })

  test('without values nothing is drawn, and the name says so', () => {
    for (const values of [[], [Number.NaN], [Number.POSITIVE_INFINITY, Number.NaN]]) {
      const [svg, ...more] = read(<Sparkline label="Speed" values={values} />)
      expect(svg?.attributes['aria-label']).toBe('Speed: –')
      expect(more).toEqual([])
    }
  })

  test('one value is a dot at the right', () => {
    expect(line(<Sparkline label="x" values={[3]} width={50} height={10} />)).toBe('M49 1h0')
  })

  test('what is no number is a gap, and every other value keeps its place', () => {
    const values = [1, 1, Number.NaN, 1, Number.NEGATIVE_INFINITY, 1, 1]
    const drawn = <Sparkline label="x" values={values} width={62} height={10} />
    expect(line(drawn)).toBe('M1 1L11 1M31 1h0M51 1L61 1')
    expect(`${drawn}`).not.toMatch(/NaN|Infinity|undefined/)
  })

  test('hostile words stay words', () => {
    for (const hostile of [
      '"><script>alert(1)</script>',
      "' onload='alert(1)",
      '</svg><img src=x onerror=alert(1)>',
      '&quot; &amp; <b>',
    ]) {
      const drawn = read(
        <Sparkline
          label={hostile}
          text={hostile}
          class={hostile}
          title={hostile}
          values={[1, 2]}
        />,
      )
      expect(drawn.map(({ tag }) => tag)).toEqual(['svg', 'path', 'path'])
      expect(drawn[0]?.attributes).toMatchObject({
        'aria-label': `${hostile}: ${hostile}`,
        title: hostile,
        class: `hw-sparkline ${hostile}`,
      })
      expect(Object.keys(drawn[0]?.attributes ?? {}).filter((name) => /^on/.test(name))).toEqual([])
    }
  })

  test('it takes attributes, but neither style nor another role', () => {
    const [svg] = read(<Sparkline label="x" values={[1]} id="s" data-of="1" role="button" />)
    expect(svg?.attributes).toMatchObject({ id: 's', 'data-of': '1', role: 'img' })
    const styled = { style: 'color: red' }
    expect(() => <Sparkline label="x" values={[1]} {...styled} />).toThrow(TypeError)
  })
})
