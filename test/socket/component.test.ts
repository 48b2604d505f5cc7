/**
 * Live components: rendered again as a whole by a push, from whatever process, and at an interval.
 */
import { afterEach, describe, expect, setDefaultTimeout, test } from 'bun:test'
import { type Component, component, type Hub } from 'headwater'
import { LiveComponent } from 'headwater/components'
import { startAsyncNode } from '../support/async-node'
import { type Client, connect } from '../support/client'
import { endPrograms } from '../support/program'
import { cleanUp, serve, settled, temporary } from '../support/serve'

setDefaultTimeout(60_000)
afterEach(async () => {
  await endPrograms()
  await cleanUp()
})

const limits = { grace: 50 }
const live = (client: Client) => client.until(() => client.lastEventId !== '')
const shownBy = ({ events }: Client) => events.map(({ data }) => data)
const addressIn = (html: string) =>
  (/sse-connect="([^"]+)"/.exec(html)?.[1] ?? '').replaceAll('&amp;', '&')
const seqOf = (id = '') => Number(id.slice(id.lastIndexOf('.') + 1))

/** Follows a component as its element does, from what the element shows. */
async function view(url: string, shown: Parameters<typeof LiveComponent>[0]['component']) {
  const html = await LiveComponent({ component: shown })
  const client = await connect(`${url}${addressIn(html)}`)
  await live(client)
  return { html, client }
}

/** A component that shows what `say` was told. */
function declareBoard(hub: Hub, tick?: number) {
  const board = {
    says: 'one',
    renders: 0,
    shown: component(hub, {
      name: 'board',
      tick,
      render: (): string => {
        board.renders++
        return `<b>${board.says}</b>`
      },
    }),
  }
  return board
}

describe('a push', () => {
  test('D-24 renders all of the component anew for who looks on, who comes later and who comes back', async () => {
    const { hub, url } = serve({ limits })
    const board = declareBoard(hub)
    const { html, client } = await view(url, board.shown)
    expect(html).toContain('><b>one</b></div>')
    expect(html).toContain('hx-swap="innerMorph"')
    const before = client.lastEventId
    board.says = 'two'
    const id = await hub.push(board.shown)
    await client.until(() => client.events.length === 1)
    expect(client.events[0]).toEqual({
      id: id as string,
      name: 'component:board',
      data: '<b>two</b>',
    })
    const later = await view(url, board.shown)
    expect(later.html).toContain('><b>two</b></div>')
    // From what it shows: nothing is sent again.
    expect(later.client.events).toEqual([])
    const back = await connect(`${url}${addressIn(html)}`, { lastEventId: before })
    await back.until(() => back.events.length === 1)
    expect(shownBy(back)).toEqual(['<b>two</b>'])
    expect(await hub.push(board.shown)).not.toBe(id)
    await client.until(() => client.events.length === 2)
  })

  test('D-24 is shown by a page that begins, if there was none: what has changed is sent to all', async () => {
    const { hub, url } = serve({ limits })
    const board = declareBoard(hub)
    const { client } = await view(url, board.shown)
    await view(url, board.shown)
    board.says = 'changed'
    expect((await view(url, board.shown)).html).toContain('><b>changed</b></div>')
    await client.until(() => client.events.length === 1)
    expect(shownBy(client)).toEqual(['<b>changed</b>'])
  })

  test('D-24 joins those that come while it renders; what is published last was rendered after the last', async () => {
    const { hub, url } = serve({ limits })
    let count = 0
    let renders = 0
    const shown = component(hub, {
      name: 'count',
      render: async () => {
        renders++
        const now = count
        await Bun.sleep(now % 3)
        return `<b>${now}</b>`
      },
    })
    const { client } = await view(url, shown)
    const pushed: Promise<string | undefined>[] = []
    for (let n = 1; n <= 500; n++) {
      count = n
      pushed.push(hub.push(shown))
      if (n % 10 === 0) await Bun.sleep(1)
      if (n % 50 > 0) continue
      const last = pushed.at(-1)
      await last
      // Confirmed is: rendered since it was pushed.
      const [kept] = (await hub.history(shown.topic)).items
      expect(kept?.html).toBe(`<b>${n}</b>`)
    }
    await Promise.all(pushed)
    await client.until(() => shownBy(client).at(-1) === '<b>500</b>')
    const numbers = shownBy(client).map((data) => Number(data.slice(3, -4)))
    expect(numbers).toEqual(numbers.toSorted((a, b) => a - b))
    expect(renders).toBeLessThan(200)
    expect(renders).toBeGreaterThan(10)
  })

  test('D-24 fails as the render does, and the next one goes on', async () => {
    const { hub, url, errors } = serve({ limits: { ...limits, render: 100 } })
    let how: 'throws' | 'hangs' | 'renders' = 'renders'
    const shown = component(hub, {
      name: 'moody',
      render: async () => {
        if (how === 'throws') throw new Error('in a mood')
        if (how === 'hangs') await new Promise(() => {})
        return '<b>fine</b>'
      },
    })
    const { client } = await view(url, shown)
    how = 'throws'
    const [one, two] = await Promise.allSettled([hub.push(shown), hub.push(shown)])
    expect([one, two].map((it) => (it as PromiseRejectedResult).reason.message)).toEqual([
      'in a mood',
      'in a mood',
    ])
    how = 'hangs'
    await expect(hub.push(shown)).rejects.toThrow('took longer than 100 ms')
    // A page shows what there is, and the failure is reported.
    how = 'throws'
    expect((await view(url, shown)).html).toContain('><b>fine</b></div>')
    expect(errors).toEqual([expect.objectContaining({ message: 'in a mood' })])
    how = 'renders'
    await hub.push(shown)
    await client.until(() => client.events.length === 1)
    expect(shownBy(client)).toEqual(['<b>fine</b>'])
  })

  test('D-24 a component that never rendered says that it failed', async () => {
    const { hub, errors } = serve({ limits })
    const shown = component(hub, {
      name: 'broken',
      render: () => {
        throw new Error('always')
      },
    })
    const html = await LiveComponent({ component: shown, as: 'section', id: 'x' })
    expect(html).toContain('<section')
    expect(html).toContain('<span class="hw-failed" role="alert">Failed</span>')
    expect(errors).toHaveLength(1)
  })

  test('D-24 within its own render is refused, not waited for', async () => {
    const { hub } = serve({ limits })
    const shown = component(hub, {
      name: 'itself',
      render: async () => {
        await hub.push(shown)
        return ''
      },
    })
    await expect(hub.push(shown)).rejects.toThrow('Expected a render of "itself" not to push it')
  })

  test('D-24 on a hub that is closed, or another, is refused', async () => {
    const [here, there] = [serve({ limits }), serve({ limits })]
    const { shown } = declareBoard(here.hub)
    await expect(there.hub.push(shown)).rejects.toThrow('another hub')
    await here.stop()
    await expect(here.hub.push(shown)).rejects.toThrow('The hub is closed')
  })

  test('D-24 of HTML each root takes the place of the element with its id, whoever is connected', async () => {
    const { hub, url } = serve({ limits })
    const client = await connect(url + hub.address(['any'], { since: null }))
    await client.until(() => client.lastEventId !== '')
    await hub.push('<b id="a">1</b><i id="b">2</i>')
    await hub.push(Promise.resolve('<b id="a">3</b>'))
    await client.until(() => client.events.length === 2)
    expect(client.events[0]?.data).toBe(
      '<b hx-swap-oob="true" id="a">1</b><i hx-swap-oob="true" id="b">2</i>',
    )
    await expect(hub.push('<b>no id</b>')).rejects.toThrow(TypeError)
  })

  test('D-24 a name is declared once, and may be any text', async () => {
    const { hub } = serve({ limits })
    const shown = component(hub, { name: 'a b:"<c>', render: () => '1' })
    expect(component(hub, { name: 'a b:"<c>', render: () => '2' })).toBe(shown)
    expect(String(shown.topic)).toBe('component:a%20b%3A%22%3Cc%3E')
    expect(await LiveComponent({ component: shown })).toContain('>1</div>')
    expect(() => component(hub, { name: '', render: () => '' })).toThrow(TypeError)
    for (const tick of [0, -1, Number.NaN, Number.POSITIVE_INFINITY]) {
      expect(() => component(hub, { name: 'x', tick, render: () => '' })).toThrow(
        'Expected as tick',
      )
    }
  })

  test('D-24 is forgotten when nobody holds it, follows it or has it tick', async () => {
    const { hub, url } = serve({ limits })
    const render = () => 'x'
    const names = ['ticks', 'is viewed', ...Array.from({ length: 200 }, (_, n) => `${n}`)]
    const declareAll = () =>
      names.map((name, n) => {
        const made = component(hub, { name, tick: n === 0 ? 60_000 : undefined, render })
        return new WeakRef(made)
      })
    const { client } = await view(url, component(hub, { name: 'is viewed', render }))
    const all = declareAll()
    const left = () => {
      Bun.gc(true)
      return all.filter((one) => one.deref()).length
    }
    // Some may be left on the stack.
    await settled(() => left() < 20)
    expect([all[0]?.deref()?.name, all[1]?.deref()?.name]).toEqual(['ticks', 'is viewed'])
    expect(component(hub, { name: 'ticks', render })).toBe(all[0]?.deref() as Component)
    client.cut()
    await settled(() => left() < 20 && !all[1]?.deref())
    expect(await hub.push(component(hub, { name: 'is viewed', render }))).toBeString()
  })

  test('D-24 passes through middleware, also one that takes its time', async () => {
    const { hub, url } = serve({ limits })
    hub.use('component:*', async ({ content }) => {
      await Bun.sleep(1)
      return `<i>${content}</i>`
    })
    const board = declareBoard(hub)
    const { client, html } = await view(url, board.shown)
    expect(html).toContain('><i><b>one</b></i></div>')
    await view(url, board.shown)
    expect(client.events).toEqual([])
    board.says = 'two'
    await hub.push(board.shown)
    await client.until(() => client.events.length === 1)
    expect(shownBy(client)).toEqual(['<i><b>two</b></i>'])
  })
})

describe('a push of another process', () => {
  test('D-24 reaches the viewers here, and is never overtaken by an older render', async () => {
    const database = temporary()
    const { hub, url } = serve({ database, limits: { ...limits, pace: 0 } })
    const other = await startAsyncNode({ database })
    let own = 0
    const shown = component(hub, {
      name: 'board',
      render: async () => {
        const now = own
        await Bun.sleep(Math.random() * 4)
        return `<b>${now}</b>`
      },
    })
    const { client } = await view(url, shown)
    // Both count the same thing, as if it were a table in their database; who pushes has counted before.
    let busy = true
    const pushing = (async () => {
      while (busy) {
        await hub.push(shown)
        await Bun.sleep(1)
      }
    })()
    for (let n = 1; n <= 150; n++) {
      own = n
      other.node.tell({ push: n })
      await other.heard('pushed', n)
      const [kept] = (await hub.history(shown.topic)).items
      expect(Number(kept?.html.slice(3, -4))).toBe(n)
    }
    busy = false
    await pushing
    await client.until(() => shownBy(client).at(-1) === '<b>150</b>')
    const numbers = shownBy(client).map((data) => Number(data.slice(3, -4)))
    expect(numbers).toEqual(numbers.toSorted((a, b) => a - b))
    const ids = client.events.map(({ id }) => seqOf(id))
    expect(ids).toEqual(ids.toSorted((a, b) => a - b))
  })

  test('D-24 a render that was slow does not overwrite what another process has pushed meanwhile', async () => {
    const database = temporary()
    const { hub, url } = serve({ database, limits })
    const other = await startAsyncNode({ database })
    let says = 'old'
    let renders = 0
    const shown = component(hub, {
      name: 'board',
      render: async () => {
        const now = says
        renders++
        await Bun.sleep(300)
        return `<b>${now}</b>`
      },
    })
    const { client } = await view(url, shown)
    const began = renders
    const pushed = hub.push(shown)
    await settled(() => renders === began + 1)
    says = 'new'
    other.node.tell({ push: 7 })
    await other.heard('pushed', 1)
    await pushed
    await client.until(() => shownBy(client).at(-1) === '<b>new</b>')
    expect(shownBy(client)).toEqual(['<b>7</b>', '<b>new</b>'])
    expect(renders).toBe(began + 2)
  })
})

describe('a tick', () => {
  test('D-24 renders while somebody looks on, sends what has changed, and rests after the last viewer', async () => {
    const { hub, url } = serve({ limits })
    const board = declareBoard(hub, 20)
    await LiveComponent({ component: board.shown })
    const atFirst = board.renders
    await Bun.sleep(100)
    expect(board.renders).toBe(atFirst)
    const { client } = await view(url, board.shown)
    await settled(() => board.renders >= atFirst + 5)
    expect(client.events).toEqual([])
    board.says = 'two'
    await client.until(() => client.events.length === 1)
    expect(shownBy(client)).toEqual(['<b>two</b>'])
    const second = await view(url, board.shown)
    client.cut()
    const { renders } = board
    await settled(() => board.renders >= renders + 10)
    second.client.cut()
    await settled(() => hub.stats().active === 0)
    await settled(async () => {
      const before = board.renders
      await Bun.sleep(200)
      return board.renders === before
    })
    board.says = 'three'
    const again = await view(url, board.shown)
    board.says = 'four'
    await again.client.until(() => shownBy(again.client).at(-1) === '<b>four</b>')
  })

  test('D-24 goes on after a render that throws, each of which is reported', async () => {
    const { hub, url, errors } = serve({ limits })
    let count = 0
    const shown = component(hub, {
      name: 'clock',
      tick: 5,
      render: () => {
        if (++count % 2 === 0) throw new Error(`at ${count}`)
        return `<b>${count}</b>`
      },
    })
    const { client } = await view(url, shown)
    await client.until(() => client.events.length >= 5)
    const numbers = shownBy(client).map((data) => Number(data.slice(3, -4)))
    expect(numbers.filter((n) => n % 2 === 0)).toEqual([])
    await settled(() => errors.length >= 4)
    expect(String(errors[0])).toMatch(/Error: at \d/)
  })

  test('D-24 a render that always throws is tried again at the next tick, not before', async () => {
    const { hub, url, errors } = serve({ limits })
    const board = declareBoard(hub)
    await view(url, board.shown)
    const tried: number[] = []
    const shown = component(hub, {
      name: 'never',
      tick: 100,
      render: () => {
        tried.push(performance.now())
        throw new Error('never')
      },
    })
    await view(url, shown)
    await settled(() => tried.length >= 5)
    // The first is the page's, the second that of the first viewer.
    const pauses = tried.slice(2).map((at, i) => at - (tried[i + 1] as number))
    expect(Math.min(...pauses)).toBeGreaterThan(90)
    expect(errors.length).toBeGreaterThanOrEqual(4)
  })

  test('D-24 ticks for who follows all components by a pattern', async () => {
    const { hub, url } = serve({ limits })
    let count = 0
    const shown = component(hub, { name: 'clock', tick: 5, render: () => `${++count}` })
    const client = await connect(`${url}${hub.address(['component:*'])}`)
    await client.until(() => client.events.length >= 5)
    expect(client.events[0]?.name).toBe(shown.topic)
    client.cut()
    await settled(() => hub.stats().active === 0)
  })

  test('D-24 of two processes one renders, and the other takes over when that is killed', async () => {
    const database = temporary()
    const nodes = await Promise.all(
      [1, 2].map(() => startAsyncNode({ database, tick: 20, lease: 3_000 })),
    )
    const { hub } = serve({ database, limits })
    const address = hub.address(['component:board'])
    const clients = await Promise.all(nodes.map(({ url }) => connect(`${url}${address}`)))
    const renders = () => nodes.map(({ node }) => node.said.filter((it) => 'rendered' in it).length)
    await settled(() => Math.max(...renders()) >= 20)
    expect(Math.min(...renders())).toBe(0)
    for (const { node, heard } of nodes) {
      node.tell({ show: 'two' })
      await heard('done', 1)
    }
    await Promise.all(
      clients.map((client) => client.until(() => shownBy(client).at(-1) === '<b>two</b>')),
    )
    const holder = renders().indexOf(Math.max(...renders()))
    const left = 1 - holder
    await nodes[holder]?.node.kill()
    await settled(() => (renders()[left] ?? 0) >= 5, 10_000)
    nodes[left]?.node.tell({ show: 'three' })
    await clients[left]?.until(() => shownBy(clients[left] as Client).at(-1) === '<b>three</b>')
  })

  test('D-24 ends with the hub, without a word', async () => {
    const site = serve({ limits })
    const board = declareBoard(site.hub, 5)
    const { client } = await view(site.url, board.shown)
    await settled(() => board.renders >= 3)
    client.cut()
    await site.stop()
    const { renders } = board
    await Bun.sleep(50)
    expect(board.renders).toBe(renders)
    expect(site.errors).toEqual([])
  })
})
