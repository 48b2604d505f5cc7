/** @jsxImportSource @kitajs/html */
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'bun:test'
import {
  type Column,
  Connected,
  ConnectionStatus,
  HeadwaterHead,
  LogView,
  MultiStreamRow,
  MultiStreamTable,
  ProgressBar,
  StatusBadge,
  StreamElement,
  TopicElement,
  tableRow,
} from '../../components'
import { type AssetName, asset } from '../../src/assets'
import { text } from '../../src/html'
import { Hub } from '../../src/hub'
import { MultiStreamManager } from '../../src/manager'
import { warnings } from '../../src/markup'
import { connect } from '../support/client'
import { cleanUp, serve } from '../support/serve'

interface Job {
  id: string
  name: string
  state: 'queued' | 'running' | 'done'
  done: number
}

interface Line {
  n: number
  text: string
}

function declare(hub: Hub) {
  return new MultiStreamManager<Job>(hub, {
    name: 'job',
    getEntity: (id) => all.find((job) => job.id === id),
    isActive: ({ state }) => state !== 'done',
  })
    .register({ name: 'state', kind: 'state', render: ({ state }) => <b>{state}</b> })
    .register({
      name: 'progress',
      kind: 'state',
      render: async ({ done }, { final }) => `${done}${final ? '!' : ''}`,
      final: ({ done }) => `${done} at last`,
    })
    .register<'speed', number>({
      name: 'speed',
      kind: 'state',
      source: async function* () {},
      render: (speed) => `${speed} MB/s`,
      final: () => null,
    })
    .register<'lines', Line>({
      name: 'lines',
      kind: 'log',
      key: (line: Line) => line.n,
      render: (line) => <li safe>{line.text}</li>,
    })
    .register<'tick', number>({ name: 'tick', kind: 'signal', render: (n) => String(n) })
}

const all: Job[] = [
  { id: '1', name: 'a.zip', state: 'running', done: 40 },
  { id: '2', name: 'b.zip', state: 'done', done: 100 },
]
const [running, ended] = all as [Job, Job]

let hub: Hub
let jobs: ReturnType<typeof declare>
beforeAll(() => {
  hub = new Hub({ secret: 'components' })
  jobs = declare(hub)
})
afterAll(() => hub.close())
afterEach(cleanUp)

/** The attributes of a script tag. */
function script(name: AssetName) {
  return { src: hub.asset(name), defer: '', integrity: asset(name)?.integrity ?? '' }
}

describe('HeadwaterHead', () => {
  test('links theme, htmx, its extension and the runtime with integrity, in order, and sets htmx up for a strict policy', async () => {
    const head = read(await (<HeadwaterHead hub={hub} title="Jobs & more" />))
    expect(head.map(({ tag }) => tag)).toEqual([
      'title',
      'meta',
      'link',
      'script',
      'script',
      'script',
      'script',
      'script',
    ])
    const [, meta, link, htmx, sse, text, status, runtime] = head
    expect(JSON.parse(meta?.attributes.content ?? '')).toEqual({
      includeIndicatorStyles: false,
      allowEval: false,
      selfRequestsOnly: true,
      defaultSettleDelay: 0,
    })
    expect(link?.attributes).toEqual({
      rel: 'stylesheet',
      href: hub.asset('theme.css'),
      integrity: asset('theme.css')?.integrity ?? '',
    })
    expect(htmx?.attributes).toEqual(script('htmx.js'))
    expect(sse?.attributes).toEqual(script('sse.js'))
    expect(text?.attributes).toEqual(script('text.js'))
    expect(status?.attributes).toEqual(script('status.js'))
    expect(runtime?.attributes).toEqual({
      ...script('headwater.js'),
      'data-morph': hub.asset('idiomorph.js'),
      'data-integrity': asset('idiomorph.js')?.integrity ?? '',
    })
    expect(await (<HeadwaterHead hub={hub} title="a & <b>" />)).toContain(
      '<title>a &amp; &lt;b&gt;</title>',
    )
  })

  test('H-11 with htmx 4 the extension is the one that it has dropped, and the morph is without idiomorph', async () => {
    const head = read(await (<HeadwaterHead hub={hub} htmx={4} theme={false} nonce="n0" />))
    expect(head.map(({ tag }) => tag)).toEqual([
      'meta',
      'script',
      'script',
      'script',
      'script',
      'script',
    ])
    const [meta, htmx, sse, text, , runtime] = head
    expect(JSON.parse(meta?.attributes.content ?? '')).toEqual({
      includeIndicatorCSS: false,
      defaultSettleDelay: 0,
      inlineScriptNonce: 'n0',
    })
    expect(htmx?.attributes).toEqual({ ...script('htmx4.js'), nonce: 'n0' })
    expect(sse?.attributes).toEqual({ ...script('sse4.js'), nonce: 'n0' })
    expect(text?.attributes).toEqual({ ...script('text.js'), nonce: 'n0' })
    expect(runtime?.attributes).toEqual({
      ...script('headwater.js'),
      nonce: 'n0',
      'data-morph': hub.asset('morph.js'),
      'data-integrity': asset('morph.js')?.integrity ?? '',
    })
  })

  test.each([
    [2, ['htmx.js', 'sse.js', 'text.js']],
    [4, ['htmx4.js', 'sse4.js', 'text.js']],
  ] as const)(
    'without the runtime it is htmx %d with its extension, and the script of streamed text',
    async (htmx, names) => {
      const head = read(
        await (<HeadwaterHead hub={hub} htmx={htmx} runtime={false} theme={false} />),
      )
      const scripts = head.filter(({ tag }) => tag === 'script')
      expect(scripts.map(({ attributes }) => attributes)).toEqual(names.map(script))
    },
  )

  test('gives its nonce to each file and to htmx', async () => {
    const head = read(await (<HeadwaterHead hub={hub} nonce="n0" theme={false} />))
    expect(head.map(({ tag, attributes }) => [tag, attributes.nonce])).toEqual([
      ['meta', undefined],
      ['script', 'n0'],
      ['script', 'n0'],
      ['script', 'n0'],
      ['script', 'n0'],
      ['script', 'n0'],
    ])
    expect(JSON.parse(head[0]?.attributes.content ?? '').inlineScriptNonce).toBe('n0')
  })

  test('H-04 names the viewer without saying who it is, and keeps such a page from caches', async () => {
    const who = (request: Request) => request.headers.get('x-user')
    const [one, same, other] = ['s1', 's1', 's2'].map((secret) => new Hub({ secret, viewer: who }))
    const render = async (on: Hub | undefined, user?: string) => {
      const request = new Request('http://localhost/', { headers: user ? { 'x-user': user } : {} })
      const response = await (on as Hub).page(
        request,
        async () => new Response(await (<HeadwaterHead hub={on as Hub} />)),
      )
      const tag = read(await response.text()).at(-1)?.attributes['data-viewer']
      return { tag, cache: response.headers.get('cache-control') }
    }
    try {
      const anna = await render(one, 'anna')
      expect(anna).toEqual({
        tag: expect.stringMatching(/^[\w-]{16}$/),
        cache: 'private, no-store',
      })
      expect(await render(same, 'anna')).toEqual(anna)
      expect(await render(one)).toEqual({ tag: undefined, cache: null })
      const others = await Promise.all([
        render(one, 'bert'),
        render(one, 'ann'),
        render(other, 'anna'),
      ])
      expect(new Set([anna, ...others].map(({ tag }) => tag)).size).toBe(4)
    } finally {
      for (const each of [one, same, other]) each?.close()
    }
  })
})

test('H-12 the swap morph is that of htmx 4, which htmx 2 without the runtime takes for innerHTML', async () => {
  const slot = await (
    <TopicElement hub={hub} topic="room:1" swap="morph" content="" connect={false} />
  )
  expect(slot).toBe('<span sse-swap="room:1" hx-swap="innerMorph" hx-target="this"></span>')
})

describe('ConnectionStatus', () => {
  test('is empty, read out politely, and holds its texts for the runtime', async () => {
    const html = await (<ConnectionStatus id="line" class="mine" closed="None <left>" />)
    const [status] = read(html)
    expect(status).toEqual({
      tag: 'span',
      attributes: {
        role: 'status',
        'aria-live': 'polite',
        id: 'line',
        class: 'hw-connection mine',
        'data-open': 'Connected',
        'data-retry': 'Reconnecting (attempt {attempt})',
        'data-offline': 'Offline',
        'data-refused': 'Refused: reload the page',
        'data-closed': 'None &lt;left&gt;',
      },
    })
    expect(html).toEndWith('"></span>')
  })
})

describe('StreamElement', () => {
  test('an id gives an empty element with a connection of its own', async () => {
    const [element] = read(await (<StreamElement manager={jobs} entity="1" stream="state" />))
    expect(element?.tag).toBe('span')
    expect(element?.attributes).toMatchObject({
      'hx-ext': 'sse',
      'sse-swap': 'job:1:state',
      'sse-close': 'done',
      'hx-swap': 'innerHTML',
    })
    expect(element?.attributes['sse-connect']).toStartWith('/stream/job/state?id=1')
  })

  test('an entity begins with its own render, a promise of it awaited', async () => {
    const state = <StreamElement manager={jobs} entity={running} stream="state" connect={false} />
    expect(state).toBe(
      '<span sse-swap="job:1:state" hx-swap="innerHTML" hx-target="this"><b>running</b></span>',
    )
    const progress = <StreamElement manager={jobs} entity={running} stream="progress" as="td" />
    expect(progress).toBeInstanceOf(Promise)
    expect(await progress).toMatch(/^<td .*>40<\/td>$/)
  })

  test('an entity that is not active is static, with its final content', async () => {
    expect(
      await (<StreamElement manager={jobs} entity={ended} stream="progress" id="p" class="c" />),
    ).toBe('<span class="c" id="p">100 at last</span>')
  })

  test('of a source or a log it begins with what is kept, of a signal with nothing', async () => {
    await jobs.publish('1', 'speed', 3)
    await jobs.publish('1', 'speed', 4)
    await jobs.publish('1', 'lines', { n: 1, text: '<one>' })
    await jobs.publish('1', 'lines', { n: 2, text: 'two' })
    await jobs.publish('1', 'tick', 1)
    expect(await (<StreamElement manager={jobs} entity={running} stream="speed" />)).toContain(
      '>4 MB/s<',
    )
    expect(
      await (<StreamElement manager={jobs} entity={running} stream="lines" as="ol" />),
    ).toEndWith('><li id="job-1-lines-1">&lt;one&gt;</li><li id="job-1-lines-2">two</li></ol>')
    expect(await (<StreamElement manager={jobs} entity={running} stream="tick" />)).toEndWith(
      '></span>',
    )
  })

  test('content and active, when given, are not overruled', async () => {
    expect(
      await (
        <StreamElement
          manager={jobs}
          entity={running}
          stream="state"
          active={false}
          content={<i>so</i>}
        />
      ),
    ).toBe('<span><i>so</i></span>')
    expect(
      await (<StreamElement manager={jobs} entity={ended} stream="state" active content="" />),
    ).toContain('sse-connect')
  })

  test('C-22 an unknown stream is named, with those that are known', () => {
    const make = () => (
      <StreamElement
        manager={jobs}
        entity="1"
        // @ts-expect-error a typo in a stream's name
        stream="progess"
      />
    )
    expect(make).toThrow(
      'Unknown stream: "progess" of "job". Known: state, progress, speed, lines, tick',
    )
  })

  test('another entity and a style do not pass the type check', () => {
    const strange = () => (
      <StreamElement
        manager={jobs}
        // @ts-expect-error not what the manager is about
        entity={{ name: 'no id' }}
        stream="tick"
      />
    )
    expect(strange).toThrow('Expected an entity of "job" with an id')
    const styled = () => (
      // @ts-expect-error a strict content security policy blocks style attributes
      <StreamElement manager={jobs} entity="1" stream="state" style="color: red" />
    )
    expect(styled).toThrow('other than style')
  })
})

describe('Connected', () => {
  test('opens one connection for what is inside, and receives patches', () => {
    expect(
      <Connected to="/stream/job?all&sig=x" as="ul" id="list" class="jobs">
        <li>1</li>
      </Connected>,
    ).toBe(
      '<ul id="list" class="jobs" hx-ext="sse" sse-connect="/stream/job?all&amp;sig=x" sse-close="done">' +
        '<li>1</li><template sse-swap="message" hx-swap="none" hx-target="this"></template></ul>',
    )
  })

  test('does without a sink when asked', () => {
    expect(<Connected to="/stream" sink={false} />).toBe(
      '<div hx-ext="sse" sse-connect="/stream" sse-close="done"></div>',
    )
  })
})

describe('MultiStreamRow', () => {
  test('C-25 cells are <td> with the id <entity>-<stream>, live, without connections of their own', async () => {
    const row = await (
      <MultiStreamRow
        manager={jobs}
        entity="7"
        streams={['state', 'progress']}
        row={(id, cells) => (
          <tr id={`row-${id}`}>
            {cells.progress}
            {cells.state}
          </tr>
        )}
      />
    )
    expect(row).toBe(
      '<tr id="row-7">' +
        '<td id="7-progress" sse-swap="job:7:progress" hx-swap="innerHTML" hx-target="this"></td>' +
        '<td id="7-state" sse-swap="job:7:state" hx-swap="innerHTML" hx-target="this"></td></tr>',
    )
  })

  test('C-25 active, inactive and mixed cells: the inactive ones are static, initial content is kept', async () => {
    const cells = async (active?: boolean) => {
      const row = await (
        <MultiStreamRow
          manager={jobs}
          entity="7"
          active={active}
          streams={[
            { name: 'state', content: <b>old</b> },
            { name: 'progress', active: false },
            'lines',
          ]}
          row={(_, { state, progress, lines }) => state + progress + lines}
        />
      )
      expect(row).toContain('<b>old</b>')
      return read(row)
        .filter(({ tag }) => tag === 'td')
        .map(({ attributes }) => 'sse-swap' in attributes)
    }
    expect(await cells()).toEqual([true, false, true])
    expect(await cells(true)).toEqual([true, false, true])
    expect(await cells(false)).toEqual([false, false, false])
  })

  test('C-25 an entity that is not active has static cells with its final content', async () => {
    const row = await (
      <MultiStreamRow
        manager={jobs}
        entity={ended}
        streams={['state', 'progress']}
        row={(_, cells) => cells.state + cells.progress}
      />
    )
    expect(row).toBe('<td id="2-state"><b>done</b></td><td id="2-progress">100 at last</td>')
  })

  test('C-25 a cell has a tag, id, class and attributes of its own', async () => {
    const row = await (
      <MultiStreamRow
        manager={jobs}
        entity="7"
        streams={[{ name: 'state', as: 'p', id: 's', class: 'wide', title: 'State' }]}
        active={false}
        row={(_, cells) => cells.state}
      />
    )
    expect(row).toBe('<p class="wide" title="State" id="s"></p>')
  })

  test('C-25 connect gives each cell a connection of its own', async () => {
    const row = await (
      <MultiStreamRow
        manager={jobs}
        entity="7"
        streams={['state', 'lines']}
        connect
        row={(_, cells) => cells.state + cells.lines}
      />
    )
    expect(row.match(/sse-connect="\/stream\/job\/(state|lines)\?id=7/g)).toHaveLength(2)
  })

  test('C-25 a row gets the cells of the named streams only, by the type too', async () => {
    const row = await (
      <MultiStreamRow
        manager={jobs}
        entity="7"
        streams={['state']}
        row={(_, cells) => {
          // @ts-expect-error progress is not among the streams of this row
          const missing: unknown = cells.progress
          return `${missing} ${Object.keys(cells)}`
        }}
      />
    )
    expect(row).toBe('undefined state')
    const typo = () => (
      // @ts-expect-error a typo in a stream's name
      <MultiStreamRow manager={jobs} entity="7" streams={['stat']} row={() => ''} />
    )
    expect(typo).toThrow('Unknown stream: "stat"')
  })
})

describe('MultiStreamTable', () => {
  const columns: Column<Job, typeof jobs>[] = [
    { header: 'Name', as: 'th', render: ({ name }) => <span safe>{name}</span> },
    { header: 'State', stream: 'state' },
    { header: 'Progress <%>', stream: 'progress', class: 'number' },
  ]

  test('C-25 is a table with caption, headers and a row per entity inside one connection', async () => {
    const html = await (
      <MultiStreamTable manager={jobs} entities={all} columns={columns} caption="Jobs & more" />
    )
    const elements = read(html)
    expect(elements.filter(({ attributes }) => 'sse-connect' in attributes)).toHaveLength(1)
    expect(elements[0]?.attributes['sse-connect']).toStartWith('/stream/job?all=')
    expect(elements[1]?.attributes).toEqual({
      class: 'hw-table',
      role: 'region',
      'aria-labelledby': 'hw-job-caption',
      tabindex: '0',
    })
    expect(html).toContain('<caption id="hw-job-caption">Jobs &amp; more</caption>')
    expect(html).toContain('<th scope="col" class="number">Progress &lt;%&gt;</th>')
    expect(html).toContain(
      '<tbody id="hw-job-rows"><tr id="job-1"><th scope="row"><span>a.zip</span></th>',
    )
    expect(html).toContain('<td class="number" id="1-progress" sse-swap="job:1:progress"')
    expect(html).toContain(
      '<td class="number" id="2-progress">100 at last</td></tr></tbody></table>',
    )
  })

  test('C-25 a cell is the element of its stream, of each kind, whatever the id holds', async () => {
    const strange = { ...running, id: `a:b*'"<&> é/\ud800` }
    for (const entity of [running, ended, strange]) {
      for (const stream of jobs.streams) {
        const row = await tableRow({
          manager: jobs,
          entity,
          columns: [{ header: 'A', stream, as: 'th', class: 'a"' }],
        })
        const cell = await (
          <StreamElement
            manager={jobs}
            entity={entity}
            stream={stream}
            as="th"
            scope="row"
            class={'a"'}
            id={`${entity.id}-${stream}`}
            connect={false}
          />
        )
        expect(row).toBe(`<tr id="${text(`job-${entity.id}`)}">${cell}</tr>`)
      }
    }
  })

  test('C-12 its rows of who may still change begin their sources, over the one connection', async () => {
    const on = serve()
    const begun: string[] = []
    const manager = new MultiStreamManager<Job>(on.hub, {
      name: 'job',
      getEntity: (id) => all.find((job) => job.id === id),
      isActive: ({ state }) => state !== 'done',
    }).register<'speed', string>({
      name: 'speed',
      kind: 'state',
      source: async function* (id) {
        begun.push(id)
        yield `speed of ${id}`
      },
      render: (speed) => speed,
      final: () => null,
    })
    await (
      <MultiStreamTable
        manager={manager}
        entities={all}
        columns={[{ header: 'Speed', stream: 'speed' }]}
        caption="Jobs"
      />
    )
    const client = await connect(on.url + manager.all())
    await client.until(() => client.events.some(({ data }) => data === 'speed of 1'))
    expect(begun).toEqual(['1'])
  })

  test('C-25 a row by itself is the same as in the table', async () => {
    const table = await (
      <MultiStreamTable manager={jobs} entities={all} columns={columns} caption="Jobs" />
    )
    for (const entity of all) {
      expect(table).toContain(await tableRow({ manager: jobs, entity, columns }))
    }
  })

  test('C-25 says what it is told to when it has no rows, and keeps it hidden when it has some', async () => {
    const table = (entities: Job[]) => (
      <MultiStreamTable
        manager={jobs}
        entities={entities}
        columns={columns}
        caption="Jobs"
        id="t"
        empty={<i>None</i>}
      >
        <p>below</p>
      </MultiStreamTable>
    )
    expect(await table([])).toContain(
      '<tbody id="t-rows"></tbody><tbody class="hw-empty"><tr><td colspan="3"><i>None</i></td></tr></tbody>',
    )
    expect(await table(all)).toContain('<tbody class="hw-empty" hidden>')
    expect(await table([])).toContain('</table></div><p>below</p><template sse-swap="message"')
    expect(
      await (<MultiStreamTable manager={jobs} entities={[]} columns={columns} caption="Jobs" />),
    ).not.toContain('hw-empty')
  })

  test('C-25 a page of the kit has no warnings', async () => {
    const page = [
      <MultiStreamTable manager={jobs} entities={all} columns={columns} caption="Jobs">
        <LogView manager={jobs} entity="1" stream="lines" label="Lines" connect={false} />
      </MultiStreamTable>,
      <StreamElement manager={jobs} entity="1" stream="speed" />,
    ]
    expect(warnings((await Promise.all(page)).join(''))).toEqual([])
  })

  test('C-25 a column names a stream that there is', () => {
    const make = () => (
      <MultiStreamTable
        manager={jobs}
        entities={all}
        // @ts-expect-error a typo in a stream's name
        columns={[{ header: 'State', stream: 'sate' }]}
        caption="Jobs"
      />
    )
    expect(make).toThrow('Unknown stream: "sate"')
  })
})

describe('ProgressBar', () => {
  const bar = (value?: number, max?: number) => {
    const html = String(<ProgressBar label="Progress" value={value} max={max} />)
    const { max: most, value: now } = read(html)[1]?.attributes ?? {}
    return [now, most, html.match(/>([^<]+)<\/span>/)?.[1]]
  }

  test('is a named <progress> with its percentage beside it', () => {
    expect(<ProgressBar label="Progress" value={3} max={8} class="x" id="p" />).toBe(
      '<span class="hw-progress x" id="p"><progress aria-label="Progress" max="8" value="3"></progress>' +
        '<span class="hw-progress-text" aria-hidden="true">37%</span></span>',
    )
    expect(<ProgressBar label="Progress" value={3} max={8} text="3 of 8 files" />).toContain(
      '<span class="hw-progress-text">3 of 8 files</span>',
    )
  })

  test.each([
    [40, undefined, '40', '100', '40%'],
    [0, 100, '0', '100', '0%'],
    [-5, 100, '0', '100', '0%'],
    [250, 100, '100', '100', '100%'],
    [Number.NaN, 100, '0', '100', '0%'],
    [Number.POSITIVE_INFINITY, 100, '100', '100', '100%'],
    [0, 0, '1', '1', '100%'],
    [5, -1, '1', '1', '100%'],
    [5, Number.NaN, '0', '1', '0%'],
    [5, Number.POSITIVE_INFINITY, '0', '1', '0%'],
    [999_999, 1_000_000, '999999', '1000000', '99%'],
    [29, 100, '29', '100', '29%'],
    [0.29, 1, '0.29', '1', '29%'],
  ])('of %p from %p it shows value %s, max %s, %s', (value, max, now, most, percent) => {
    expect(bar(value, max)).toEqual([now, most, percent])
  })

  test('an unknown value has neither value nor number', () => {
    expect(bar()).toEqual([undefined, '100', undefined])
    expect(<ProgressBar label="Progress" value={null} />).not.toContain('value')
  })
})

describe('StatusBadge', () => {
  test.each([
    ['queued', 'neutral'],
    ['waiting', 'neutral'],
    ['running', 'info'],
    ['paused', 'warning'],
    ['done', 'success'],
    ['Failed', 'danger'],
    ['cancelled', 'neutral'],
    ['constructor', 'neutral'],
    ['anything', 'neutral'],
  ])('%s is %s, and says so in its own word', (state, tone) => {
    expect(<StatusBadge state={state} />).toBe(
      `<span class="hw-badge hw-${tone}"><span>${state}</span></span>`,
    )
  })

  test('tone and word can be given', () => {
    expect(
      <StatusBadge state="x" tone="danger" class="mine">
        <em>Broken</em>
      </StatusBadge>,
    ).toBe('<span class="hw-badge hw-danger mine"><em>Broken</em></span>')
    // @ts-expect-error no such tone
    expect(() => <StatusBadge state="x" tone="pink" />).not.toThrow()
  })
})

describe('LogView', () => {
  const stored: Line[] = Array.from({ length: 5 }, (_, n) => ({ n, text: `line ${n}` }))

  test('is a named log that can be scrolled with keys, is not announced, and has a live list', async () => {
    const html = await (
      <LogView manager={jobs} entity="8" stream="lines" label="Lines" lines={<li>first</li>} />
    )
    const [section, list] = read(html)
    expect(section).toEqual({
      tag: 'section',
      attributes: {
        role: 'log',
        tabindex: '0',
        class: 'hw-log',
        'aria-label': 'Lines',
        'aria-live': 'off',
      },
    })
    expect(list).toMatchObject({
      tag: 'ol',
      attributes: { 'sse-swap': 'job:8:lines', 'hx-swap': 'beforeend', class: 'hw-lines' },
    })
    expect(list?.attributes['sse-connect']).toStartWith('/stream/job/lines?id=8')
    expect(html).toContain('<li>first</li></ol></section>')
  })

  test('begins with the newest of what is kept', async () => {
    for (const line of stored) await jobs.publish('9', 'lines', line)
    const log = (max?: number) => (
      <LogView manager={jobs} entity="9" stream="lines" label="Lines" max={max} connect={false} />
    )
    expect((await log()).match(/line \d/g)).toHaveLength(5)
    expect((await log(2)).match(/line \d/g)).toEqual(['line 3', 'line 4'])
    expect(await log()).not.toContain('sse-connect')
  })

  test('says what it is told to without lines; is static when none can come; announces when asked', async () => {
    const html = await (
      <LogView
        manager={jobs}
        entity={ended}
        stream="lines"
        label="Lines"
        empty="Nothing yet"
        announce
      />
    )
    expect(html).toContain('<ol class="hw-lines"></ol><p class="hw-empty">Nothing yet</p>')
    expect(html).toContain('aria-live="polite"')
    expect(
      await (
        <LogView
          manager={jobs}
          entity="8"
          stream="lines"
          label="Lines"
          lines="<li>1</li>"
          empty="–"
        />
      ),
    ).toContain('<p class="hw-empty" hidden>')
  })
})

test('user text among content is escaped by its own render', () => {
  expect(<StatusBadge state="<b>" />).toBe(
    `<span class="hw-badge hw-neutral"><span>${text('<b>')}</span></span>`,
  )
})

/** The elements of some markup, in order. */
function read(html: string | Promise<string>) {
  const found: { tag: string; attributes: Record<string, string> }[] = []
  new HTMLRewriter()
    .on('*', {
      element: ({ tagName, attributes }) => {
        const decoded = [...attributes].map(([name = '', value = '']) => [
          name,
          value.replaceAll('&quot;', '"').replaceAll('&amp;', '&'),
        ])
        found.push({ tag: tagName, attributes: Object.fromEntries(decoded) })
      },
    })
    .transform(String(html))
  return found
}
