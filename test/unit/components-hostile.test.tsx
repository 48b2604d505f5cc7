/** @jsxImportSource @kitajs/html */
/**
 * No user text becomes markup: whatever stands in a text, attribute or id, the tags and the names of attributes
 * are those of a harmless word.
 */
import { afterAll, beforeAll, expect, test } from 'bun:test'
import fc from 'fast-check'
import {
  Connected,
  ConnectionStatus,
  HeadwaterHead,
  LiveLog,
  LogView,
  MultiStreamRow,
  MultiStreamTable,
  ProgressBar,
  StatusBadge,
  StreamElement,
  TopicElement,
  tableRow,
} from '../../components'
import { Hub } from '../../src/hub'
import { logLines } from '../../src/lines'
import { MultiStreamManager } from '../../src/manager'
import { topic } from '../../src/topic'

interface Thing {
  id: string
  text: string
}

const declare = (hub: Hub) =>
  new MultiStreamManager<Thing>(hub, { name: 'thing', getEntity: () => undefined })
    .register({ name: 'text', kind: 'state', render: ({ text }) => <b safe>{text}</b> })
    .register<'lines', string>({
      name: 'lines',
      kind: 'log',
      render: (line) => <li safe>{line}</li>,
    })

let hub: Hub
let things: ReturnType<typeof declare>
beforeAll(() => {
  hub = new Hub({ secret: 'hostile' })
  things = declare(hub)
})
afterAll(() => hub.close())

/** Each with the hostile word in every place that takes user text. */
const components: Record<string, (word: string) => JSX.Element> = {
  HeadwaterHead: (word) => <HeadwaterHead hub={hub} title={word} nonce={word} />,
  ConnectionStatus: (word) => (
    <ConnectionStatus
      connected={word}
      reconnecting={word}
      offline={word}
      refused={word}
      closed={word}
      {...everywhere(word)}
    />
  ),
  'StreamElement with an id': (word) => (
    <StreamElement manager={things} entity={idFrom(word)} stream="text" {...everywhere(word)} />
  ),
  'StreamElement with an entity': (word) => (
    <StreamElement
      manager={things}
      entity={{ id: idFrom(word), text: word }}
      stream="text"
      connect={false}
      {...everywhere(word)}
    />
  ),
  Connected: (word) => (
    <Connected to={word} {...everywhere(word)}>
      <p safe>{word}</p>
    </Connected>
  ),
  MultiStreamRow: (word) => (
    <MultiStreamRow
      manager={things}
      entity={{ id: idFrom(word), text: word }}
      streams={[
        { name: 'text', ...everywhere(word) },
        { name: 'lines', as: 'th', content: '' },
      ]}
      row={(_, cells) => (
        <tr>
          {cells.text}
          {cells.lines}
        </tr>
      )}
    />
  ),
  MultiStreamTable: (word) => (
    <MultiStreamTable
      manager={things}
      entities={[{ id: idFrom(word), text: word }]}
      columns={[
        { header: word, stream: 'text', class: word },
        { header: word, render: ({ text }) => <i safe>{text}</i>, class: word, as: 'th' },
      ]}
      caption={word}
      id={word}
      empty={<em safe>{word}</em>}
    >
      <p safe>{word}</p>
    </MultiStreamTable>
  ),
  tableRow: (word) =>
    tableRow({
      manager: things,
      entity: { id: idFrom(word), text: word },
      columns: [{ header: word, stream: 'text', class: word }],
    }),
  ProgressBar: (word) => <ProgressBar label={word} text={word} value={1} {...everywhere(word)} />,
  TopicElement: (word) => (
    <TopicElement hub={hub} topic={topic('room', idFrom(word))} content="" {...everywhere(word)} />
  ),
  StatusBadge: (word) => <StatusBadge state={word} {...everywhere(word)} />,
  LiveLog: (word) => (
    <LiveLog
      log={logLines(hub, topic('log', idFrom(word)))}
      label={word}
      download={word}
      earlier={word}
      words={{ show: word, all: word, hidden: word, pause: word, waiting: word, earlier: word }}
      empty={<em safe>{word}</em>}
      {...everywhere(word)}
    />
  ),
  LogView: (word) => (
    <LogView
      manager={things}
      entity={idFrom(word)}
      stream="lines"
      label={word}
      lines={<li safe>{word}</li>}
      empty={<em safe>{word}</em>}
      {...everywhere(word)}
    />
  ),
}

const fragments = [
  '<script>alert(1)</script>',
  '</script>',
  '</title>',
  '</template>',
  '<img src=x onerror=alert(1)>',
  '<!--',
  '-->',
  '<![CDATA[',
  '" onclick="alert(1)',
  "' onmouseover='alert(1)",
  '"',
  "'",
  '`',
  '<',
  '>',
  '/>',
  '&',
  '&lt;',
  '&#x22;',
  '&quot',
  '=',
  'javascript:alert(1)',
  'data:text/html,<b>',
  '\u202e',
  '\u2066مرحبا',
  '\u0000',
  '\ud800',
  '\udfff',
  '\r\n\r\n',
  '\t',
  ' ',
  ',',
  ':',
  '*',
  '%',
  '%00',
  '../',
  'é😀',
  'a'.repeat(5_000),
]

const word = fc.oneof(
  fc
    .array(fc.constantFrom(...fragments), { minLength: 1, maxLength: 6 })
    .map((all) => all.join('')),
  fc.string({ unit: 'binary', minLength: 1 }),
  fc.string({ unit: 'grapheme', minLength: 1 }),
)

test.each(Object.entries(components))(
  'C-25 H-13 %s makes no markup of user text',
  async (_, make) => {
    const expected = shape(await make('word'))
    expect(expected.length).toBeGreaterThan(0)
    await fc.assert(
      fc.asyncProperty(word, async (hostile) => {
        const html = await make(hostile)
        expect(shape(html)).toEqual(expected)
        expect(escapes(html)).toEqual([])
      }),
      { numRuns: 300, examples: fragments.map((fragment) => [fragment]) },
    )
  },
)

test.each(['build-7.a:b_c', '7', '-', 'a--1'])(
  'D-22 a log of id %p asks for earlier lines in its own place',
  async (id) => {
    const log = logLines(hub, topic('log', `of ${id}`), { id })
    const markup = await (<LiveLog log={log} label="Lines" earlier="/earlier" />)
    const targets: string[] = []
    new HTMLRewriter()
      .on('form', { element: (form) => void targets.push(form.getAttribute('hx-target') ?? '') })
      .transform(markup)
    const found: (string | null)[] = []
    new HTMLRewriter()
      .on(targets[0] as string, {
        element: (element) => void found.push(element.getAttribute('id')),
      })
      .transform(markup)
    expect(found).toEqual([`${id}-earlier`])
  },
)

test('an attribute that a strict policy blocks is refused', () => {
  const strange = { onclick: 'alert(1)' }
  expect(() => <StatusBadge state="x" {...strange} />).toThrow('other than style and on…')
  expect(() => <Connected to="/stream" as="a b" />).toThrow('Expected a tag')
})

function everywhere(word: string) {
  return {
    id: word,
    class: word,
    title: word,
    lang: word,
    role: word,
    'aria-label': word,
    'data-word': word,
    'hx-get': word,
  }
}

/** An address has no room for more, and a topic for no lone surrogates, which the topic itself mends. */
function idFrom(word: string): string {
  return word.slice(0, 40)
}

/** Tags and names of attributes in order, as the parser sees them. */
function shape(html: string): string[] {
  const found: string[] = []
  new HTMLRewriter()
    .on('*', {
      element: ({ tagName, attributes }) => {
        found.push([tagName, ...[...attributes].map(([name]) => name)].join(' '))
      },
    })
    .onDocument({ comments: () => void found.push('a comment') })
    .transform(html)
  return found
}

/** What is left of the markup that is none of the kit's own: raw quotes in values, a bare `&`. */
function escapes(html: string): string[] {
  return html.match(/&(?!(amp|lt|gt|quot|#x27|#39|#34);)/g) ?? []
}
