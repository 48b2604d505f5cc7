/**
 * Live components: a part of a page that is rendered again as a whole, when something says so or at an interval.
 *
 * Say a board of open tickets. It is declared once, with its `render`; a task that has changed a ticket says
 * `hub.push(board)`, in whatever process it runs, and every page that shows the board has it anew. The first page,
 * the live change and the replay are made by the same `render`. A clock is a component with a `tick`.
 */
import type { Asked, Endpoint } from './door'
import { Handles } from './handles'
import type { Html } from './html'
import type { Hub } from './hub'
import type { LogEvent } from './log'
import { publishOver } from './newest'
import { outsidePages } from './page'
import { perHub } from './per-hub'
import { Refusal } from './refusal'
import { Renders } from './renders'
import { Run } from './source'
import { longestTimer } from './timers'
import { isPattern, matches, type Pattern, type Topic, topic } from './topic'
import { type EventId, eventId, seqOf } from './wire'
import { within } from './within'

/** What an app says of a component. */
export interface ComponentOptions {
  /** Any text. The same in every process that pushes or shows it. */
  name: string
  /** Makes all of it, for everybody: a page's viewer is not known here. User text is escaped as anywhere. */
  render: () => Html | Promise<Html>
  /**
   * Rendered again so many milliseconds after it was, as long as somebody looks on, in one process only. What is as
   * before is not sent.
   * @default only when it is pushed or a page begins with it
   */
  tick?: number | undefined
}

/** The first segment of the topics of components. */
const name = 'component'

/**
 * Declares a live component; the same object again for the same hub and name, whatever the options say then, for as long
 * as somebody holds it or looks on, and for ever if it has a tick.
 *
 * @throws TypeError for a name that is empty, or a tick that is no number of milliseconds.
 * @example
 * const clock = component(hub, { name: 'clock', tick: 1_000, render: () => <time>{new Date().toISOString()}</time> })
 * await hub.push(clock)
 */
export function component(hub: Hub, options: ComponentOptions): Component {
  return componentsOf(hub).declare(options)
}

const renders = new Renders<Component>()

/** A declared live component. */
export class Component {
  readonly hub: Hub
  readonly name: string
  readonly topic: Topic
  readonly tick: number | undefined
  #render: ComponentOptions['render']
  /** The render that is under way, and the one that all wait for who have come since it began. */
  #current: Promise<unknown> = Promise.resolve()
  #next: Promise<EventId | undefined> | undefined
  /** Whether the next one is published even if it is as before. */
  #isPushed = false
  /** What was published last from here, before any middleware. */
  #shown: { html: Html; seq: number | undefined } | undefined

  /** @internal Begin with {@link component}. */
  constructor(hub: Hub, { name: own, render, tick }: ComponentOptions) {
    if (tick !== undefined && !(tick >= 1 && tick <= longestTimer)) {
      throw new TypeError(`Expected as tick milliseconds from 1 to ${longestTimer}, got ${tick}`)
    }
    this.hub = hub
    this.name = own
    this.topic = topic(name, own)
    this.tick = tick
    this.#render = render
  }

  /**
   * @internal As {@link Hub.push}. Who pushes while it is rendered shares the next render, which has not begun yet: what
   * is published last was never rendered before the last push, also of another process.
   */
  pushTo(hub: Hub): Promise<EventId | undefined> {
    if (hub === this.hub) return this.#ask(true)
    return Promise.reject(new TypeError(`"${this.name}" is a component of another hub`))
  }

  /** @internal Renders it, and publishes what is not as before. */
  async refresh(): Promise<void> {
    await this.#ask(false)
  }

  /** @internal Has it kept as it is now. Gives what to show if nothing could be kept. */
  async show(): Promise<Html | undefined> {
    try {
      await this.refresh()
      return undefined
    } catch (error) {
      this.hub.report(error, this.topic)
      const [kept] = await this.hub.log.last(this.topic, 1)
      return kept ? undefined : '<span class="hw-failed" role="alert">Failed</span>'
    }
  }

  #ask(isPushed: boolean): Promise<EventId | undefined> {
    if (renders.isWithin(this)) {
      return Promise.reject(
        new TypeError(
          `Expected a render of "${this.name}" not to push it: it would wait for itself`,
        ),
      )
    }
    this.#isPushed ||= isPushed
    this.#next ??= this.#current.then(() => {
      const renewed = this.#renew(this.#isPushed)
      this.#isPushed = false
      this.#next = undefined
      const paced = () => Bun.sleep(this.hub.limits.pace)
      this.#current = renewed.then(paced, paced)
      return renewed
    })
    return this.#next
  }

  /**
   * What another process has published meanwhile may be newer than what was rendered here, so it is rendered again.
   * When that happens twice it is not needed any more: the second was rendered after the first, and so after this began.
   */
  async #renew(isPushed: boolean): Promise<EventId | undefined> {
    const { hub, topic } = this
    for (let overtaken = 0; ; ) {
      const [before] = await hub.log.last(topic, 1)
      const html = await this.#rendered()
      let newest: LogEvent | undefined = before
      const id = await publishOver(hub, topic, (found) => {
        newest = found
        if (found?.seq !== before?.seq) return undefined
        return isPushed || !this.#isAsBefore(html, found) ? html : undefined
      })
      if (id) this.#shown = { html, seq: seqOf(id, hub.log.epoch) }
      if (newest?.seq === before?.seq) return id
      if (++overtaken === 2 && newest) return eventId(hub.log.epoch, newest.seq)
    }
  }

  #isAsBefore(html: Html, newest: { data: string; seq: number } | undefined): boolean {
    if (newest === undefined) return false
    return newest.data === html || (this.#shown?.html === html && this.#shown.seq === newest.seq)
  }

  #rendered(): Promise<Html> {
    const made = renders.run(this, async () => outsidePages(this.#render))
    const { render: most } = this.hub.limits
    return within(
      most,
      made,
      () => new Error(`Rendering "${this.name}" took longer than ${most} ms`),
    )
  }
}

const componentsOf = perHub((hub) => new Components(hub))

/** The components of one hub, as a part of its path that nobody can ask for: their topics are followed. */
class Components implements Endpoint {
  readonly name = name
  #hub: Hub
  #components = new Handles<Component>()
  /** Those that stay though nobody holds them: they have a tick, or somebody looks on. */
  #held = new Set<Component>()
  #ticking = new Map<Topic, Run<true>>()
  /** Patterns that somebody follows. */
  #patterns = new Set<Pattern>()

  constructor(hub: Hub) {
    this.#hub = hub
    hub.mount(this)
    hub.onClose(() => this.#close())
    hub.own(`${name}:*`, { kind: 'state' })
  }

  declare(options: ComponentOptions): Component {
    const known = this.#components.get(topic(name, options.name))
    if (known) return known
    const made = new Component(this.#hub, options)
    this.#components.add(made.topic, made)
    this.#look(made.topic)
    return made
  }

  ask(): Asked {
    throw new Refusal(404, 'Components are followed by the addresses of their elements.')
  }

  viewers(of: Pattern, viewed: boolean): void {
    if (isPattern(of)) {
      if (viewed) this.#patterns.add(of)
      else this.#patterns.delete(of)
      for (const topic of this.#components.topics()) if (matches(of, topic)) this.#look(topic)
    } else this.#look(of as string as Topic)
  }

  #close(): void {
    for (const run of this.#ticking.values()) run.stop()
  }

  /** Has a component tick if somebody looks on, and rest if nobody does. */
  #look(of: Topic): void {
    const run = this.#ticking.get(of)
    const isViewed = this.#isViewed(of)
    this.#hold(of, isViewed)
    if (!isViewed) run?.unview()
    else if (run) run.view()
    else this.#start(of)
  }

  #hold(of: Topic, isViewed: boolean): void {
    const known = this.#components.get(of)
    if (!known) return
    if (isViewed || known.tick !== undefined) this.#held.add(known)
    else this.#held.delete(known)
  }

  #isViewed(of: Topic): boolean {
    if (this.#hub.isViewed(of)) return true
    for (const pattern of this.#patterns) if (matches(pattern, of)) return true
    return false
  }

  /** As the source of a stream runs: once for all viewers and processes, and a while longer than the last one. */
  #start(of: Topic): void {
    const hub = this.#hub
    const ticked = this.#components.get(of)
    if (hub.isClosed || ticked?.tick === undefined) return
    const report = (error: unknown) => {
      if (!hub.isClosed) hub.report(error, of)
    }
    const run = new Run<true>({
      name: of,
      id: ticked.name,
      source: () => true as const,
      interval: ticked.tick,
      timeout: undefined,
      grace: hub.limits.grace,
      registry: hub.registry,
      ready: () => true,
      after: () => undefined,
      again: () => true,
      // A render that fails is no reason to stop: the next may not.
      publish: () => ticked.refresh().catch(report),
      settled: () => undefined,
      ended: (how) => {
        if (typeof how === 'object') report(how.error)
      },
      onError: report,
      over: () => {
        this.#ticking.delete(of)
        // Somebody came while it was still stopping, or its lease was lost.
        if (this.#isViewed(of)) this.#start(of)
      },
    })
    this.#ticking.set(of, run)
  }
}
