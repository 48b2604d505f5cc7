/** @jsxImportSource @kitajs/html */
/**
 * The markup of `<TextStream>`: what is in it of each state, and that no text of anybody becomes markup.
 */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'bun:test'
import fc from 'fast-check'
import { TextStream } from '../../components'
import { Hub, textStream } from '../../src'
import { markdown } from '../../src/markdown'
import { warnings } from '../../src/markup'

let hub: Hub
let topic = ''
let count = 0
beforeAll(() => {
  hub = new Hub({ secret: 'texts', onRefuse: () => {} })
})
afterAll(() => hub.close())
beforeEach(() => {
  topic = `text:${count++}`
})

/** Its elements, in their order, by tag, with attributes and text. */
async function read(markup: JSX.Element) {
  const elements: { tag: string; attributes: Record<string, string>; text: string }[] = []
  await new HTMLRewriter()
    .on('*', {
      element({ tagName, attributes }) {
        elements.push({ tag: tagName, attributes: Object.fromEntries(attributes), text: '' })
      },
      text({ text }) {
        const last = elements.at(-1)
        if (last) last.text += text
      },
    })
    .transform(new Response(await markup))
    .text()
  const by = (name: string, value?: string) =>
    elements.find(({ attributes }) =>
      value === undefined ? name in attributes : attributes[name] === value,
    )
  return { elements, by }
}

describe('TextStream', () => {
  test('D-13 begins with the text as it stands, and follows from exactly there', async () => {
    const answer = textStream(hub, topic)
    answer.text('a < b & c')
    await answer.done()
    const { cursor } = await answer.read()
    const { elements, by } = await read(<TextStream stream={answer} label="Answer <1>" />)
    expect(elements[0]).toMatchObject({
      tag: 'section',
      attributes: {
        class: 'hw-text',
        'aria-label': 'Answer &lt;1&gt;',
        'data-stream': topic,
        'data-stream-mode': 'append',
      },
    })
    const slot = by('sse-swap', topic)
    expect(slot).toMatchObject({ tag: 'div', text: 'a &lt; b &amp; c' })
    expect(slot?.attributes).toMatchObject({ 'hx-swap': 'beforeend', 'hx-target': 'this' })
    expect(slot?.attributes['sse-connect']).toContain(`since=${cursor}`)
    expect(by('data-stream-state', topic)).toMatchObject({
      attributes: { 'data-state': 'done' },
      text: '',
    })
    expect(by('role', 'status')).toMatchObject({
      attributes: { 'data-active': 'Writing', 'data-done': 'Done', 'data-stopped': 'Stopped' },
      text: '',
    })
    expect(warnings(await (<TextStream stream={answer} />))).toEqual([])
  })

  test('D-02 D-05 its state says whether more is to come, and what has failed', async () => {
    const answer = textStream(hub, topic)
    await answer.start()
    expect((await read(<TextStream stream={answer} />)).by('data-stream-active')?.tag).toBe('span')
    await answer.error('no <more>')
    const { by } = await read(<TextStream stream={answer} />)
    expect(by('data-stream-active')).toBeUndefined()
    expect(by('role', 'alert')).toMatchObject({ tag: 'p', text: 'no &lt;more&gt;' })
  })

  test('D-10 its stop button is a form that works by itself', async () => {
    const answer = textStream(hub, topic)
    const { by } = await read(<TextStream stream={answer} stop="Halt" />)
    const address = answer.stopAddress().replaceAll('&', '&amp;')
    expect(by('method', 'post')?.attributes).toMatchObject({
      action: address,
      'hx-post': address,
      'hx-swap': 'none',
    })
    const without = await (<TextStream stream={answer} stop={false} jump={false} />)
    expect(without).not.toMatch(/<form|<button/)
  })

  test('one that is over is static: no slot, no address, nothing to press', async () => {
    const answer = textStream(hub, topic)
    answer.text('all of it')
    await answer.done()
    const markup = await (<TextStream stream={answer} active={false} />)
    expect(markup).toContain('all of it')
    expect(markup).not.toMatch(/sse-|data-stream|<form|<button|role=/)
  })

  test('inside a connected parent it has no address', async () => {
    const markup = await (<TextStream stream={textStream(hub, topic)} connect={false} />)
    expect(markup).toContain(`sse-swap="${topic}"`)
    expect(markup).not.toContain('sse-connect')
  })

  test('D-04 its mode is that of the stream', async () => {
    const answer = textStream(hub, topic, { mode: 'replace' })
    expect(await (<TextStream stream={answer} />)).toContain('data-stream-mode="replace"')
    expect(await (<TextStream stream={answer} mode="replace" />)).toContain(
      'data-stream-mode="replace"',
    )
    expect(TextStream({ stream: answer, mode: 'append' })).rejects.toThrow(TypeError)
  })

  test('what stands in it while it is empty comes and goes', async () => {
    const answer = textStream(hub, topic)
    const empty = async () =>
      (await read(<TextStream stream={answer} empty="Nothing yet" />)).by('class', 'hw-empty')
    expect(await empty()).toMatchObject({ text: 'Nothing yet' })
    expect((await empty())?.attributes.hidden).toBeUndefined()
    answer.text('x')
    await answer.done()
    expect((await empty())?.attributes.hidden).toBe('')
  })

  test('a text with a format is prose', async () => {
    const answer = textStream(hub, topic, { format: markdown })
    expect(await (<TextStream stream={answer} class="mine" />)).toContain(
      'class="hw-text hw-text-format mine"',
    )
  })

  test('no text becomes markup, whatever is streamed, said or set', async () => {
    const shape = async (word: string) => {
      const answer = textStream(hub, `text:${count++}`)
      answer.text(word)
      await answer.error(word)
      const { elements } = await read(
        <TextStream
          stream={answer}
          label={word}
          stop={word}
          jump={word}
          words={{ active: word, done: word, stopped: word, failed: word }}
          title={word}
          class={word}
        />,
      )
      return elements.map(({ tag, attributes }) => [tag, ...Object.keys(attributes)].join(' '))
    }
    const harmless = await shape('word')
    const piece = fc.constantFrom(
      '<script>alert(1)</script>',
      '</p>',
      '"',
      "'",
      '<',
      '>',
      '&',
      '-->',
      ' onclick=x ',
      '</div><b>',
      '\0',
      '\r\n',
      'x',
      '<hx-partial data-op="insert">',
    )
    await fc.assert(
      fc.asyncProperty(fc.array(piece, { minLength: 1, maxLength: 6 }), async (pieces) => {
        expect(await shape(pieces.join(''))).toEqual(harmless)
      }),
      { numRuns: 100 },
    )
  })
})
