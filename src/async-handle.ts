import { isNewer, type Kept, leaseOf, read, wrap } from './async-kept'
import type { AsyncValueOptions, Loader, LoadOutcome, Shown } from './async-options'
import { type Html, tag, text } from './html'
import type { Hub } from './hub'
import type { LogEvent } from './log'
import { publishOver } from './newest'
import { outsidePages } from './page'
import type { Stoppable } from './stops'
import { longestTimer } from './timers'
import type { Topic } from './topic'
import { within } from './within'

/** A load that is under way here. */
interface Load {
  /** Also the end of its lease's name. */
  name: string
  /** Not known before it is announced. */
  count: number | undefined
  /** Whether the log has told that it loads: what was told before that is older. */
  isHeard: boolean
  stoppable: Stoppable
  /** Why it is over before its time. */
  stopped: Exclude<LoadOutcome, 'ok' | 'failed'> | undefined
  abort: AbortController
  /** Resolves when it is told that it has been stopped. */
  whenStopped: Promise<undefined>
  /** Resolves when it is shown that it loads. */
  announced: Promise<unknown>
  outcome: Promise<LoadOutcome>
  /** What goes back to its place if it is cancelled. */
  before: Pick<Kept, 'state' | 'html'> | undefined
}

/** How often it is looked whether the process that loads still lives, in milliseconds. */
const patience = 1_000

/** A value that takes a while. */
export class AsyncValueHandle<Value> {
  readonly hub: Hub
  readonly topic: Topic
  /** The tag of its element. */
  readonly as: 'div' | 'span'
  #load: Loader<Value>
  #options: AsyncValueOptions<Value>
  #current: Load | undefined
  /** Those that are not over here, whose leases are held. */
  #own = new Set<string>()
  /** The newest that was no loading, as far as was heard here. */
  #settled: Kept | undefined
  /** Looks whether a load of another process is given up. */
  #watch: Timer | undefined

  /** @internal Begin with {@link asyncValue}. */
  constructor(hub: Hub, topic: Topic, load: Loader<Value>, options: AsyncValueOptions<Value>) {
    const { as = 'div', timeout = 30_000, retry = '/', guard } = options
    if (timeout !== Number.POSITIVE_INFINITY && !(timeout > 0 && timeout <= longestTimer)) {
      throw new TypeError(`Expected as timeout milliseconds up to ${longestTimer}, got ${timeout}`)
    }
    if (!/^\/(?![/\\])/.test(retry)) {
      throw new TypeError(`Expected an address of the app such as /retry, got "${retry}"`)
    }
    this.hub = hub
    this.topic = topic
    this.as = as
    this.#load = load
    this.#options = options
    if (hub.kindOf(topic) !== 'state') hub.own(topic, { kind: 'state', guard })
  }

  /**
   * Begins to load, anew if it does already: what an older load gives is dropped, here and at every process. Resolves
   * with what became of it; what a loader throws is shown and reported.
   */
  load(): Promise<LoadOutcome> {
    return this.#start().outcome
  }

  #start(): Load {
    this.#stop('superseded')
    const stopped = Promise.withResolvers<undefined>()
    const load: Load = {
      name: crypto.randomUUID().slice(0, 13),
      count: undefined,
      isHeard: false,
      stoppable: this.hub.stops.add(this.topic, (isClosing) => {
        if (load === this.#current) this.#stop(isClosing ? 'superseded' : 'cancelled')
      }),
      stopped: undefined,
      abort: new AbortController(),
      whenStopped: stopped.promise,
      announced: Promise.resolve(),
      outcome: Promise.resolve('superseded'),
      before: undefined,
    }
    load.abort.signal.addEventListener('abort', () => stopped.resolve(undefined))
    this.#current = load
    this.#own.add(load.name)
    load.outcome = outsidePages(() => this.#go(load)).finally(load.stoppable.release)
    return load
  }

  /**
   * Aborts what is loading, at whichever process, and shows again what was shown before; the first time that it
   * failed, for nothing else is there. Resolves when that is so, or another process has been asked to. Does nothing
   * when nothing is loading.
   */
  async cancel(): Promise<void> {
    const load = this.#current
    if (!load) return this.hub.stop(this.topic)
    this.#stop('cancelled')
    await load.outcome
  }

  /** A signed URL: a form that posts to it cancels, and goes back to its page. */
  cancelAddress(): string {
    return this.hub.stopAddress(this.topic)
  }

  /**
   * @internal Begins to load what was never loaded, or was being loaded by a process that is gone. Gives what to show
   * if nothing could be kept.
   */
  async show(): Promise<Html | undefined> {
    const before = await this.#kept()
    if (before?.state === 'loading') await this.#takeOver(before)
    const load = this.#current ?? (before ? undefined : this.#start())
    await load?.announced
    if (await this.#kept()) return undefined
    const html = await this.#renderLoading()
    return wrap(this.as, { state: 'loading', count: 0, name: '-', html })
  }

  /** @internal Some process has published it. */
  heard(event: LogEvent): void {
    clearInterval(this.#watch)
    const kept = read(event)
    if (!kept) return
    if (kept.state !== 'loading') this.#settled = kept
    const load = this.#current
    if (load && kept.name === load.name) {
      load.isHeard = true
      load.stoppable.begin(event.seq)
      return
    }
    if (load?.isHeard && isNewer(kept, load.count ?? 0, load.name)) this.#stop('superseded')
    if (kept.state !== 'loading') return
    // A page that stays open must not wait for ever when the process that loads dies.
    this.#watch = setInterval(() => {
      if (this.#current || !this.hub.isViewed(this.topic)) return
      this.#takeOver(kept).catch((error) => this.#report(error))
    }, patience)
    this.#watch.unref()
  }

  /** @internal What was shown before is not shown again. */
  missed(): void {
    this.#settled = undefined
  }

  /** @internal */
  close(): void {
    clearInterval(this.#watch)
    this.#stop('superseded')
  }

  #stop(why: NonNullable<Load['stopped']>): void {
    const load = this.#current
    if (!load || load.stopped) return
    load.stopped = why
    this.#current = undefined
    load.abort.abort()
  }

  async #go(load: Load): Promise<LoadOutcome> {
    const { registry } = this.hub
    const lease = leaseOf(this.topic, load)
    try {
      // Before it can be seen that it loads, or it would seem to be given up.
      const leased = registry.take(lease)
      load.announced = this.#announce(load, leased)
      const result = await this.#result(load)
      await load.announced
      return await this.#settle(load, result)
    } catch (error) {
      this.#report(error)
      return 'failed'
    } finally {
      if (this.#current === load) this.#current = undefined
      this.#own.delete(load.name)
      await Promise.resolve(registry.release(lease)).catch((error) => this.#report(error))
    }
  }

  async #announce(load: Load, leased: unknown): Promise<void> {
    try {
      await leased
      const html = await this.#renderLoading()
      await publishOver(this.hub, this.topic, (newest) => {
        const kept = newest && read(newest)
        load.count = (kept?.count ?? 0) + 1
        load.before = kept && kept.state !== 'loading' ? kept : this.#settled
        if (load.stopped) return undefined
        return wrap(this.as, { state: 'loading', count: load.count, name: load.name, html })
      })
    } catch (error) {
      // What it gives is shown all the same.
      this.#report(error)
    }
  }

  /** What is to be shown; nothing when it was stopped. */
  async #result(load: Load): Promise<Pick<Kept, 'state' | 'html'> | undefined> {
    const { timeout = 30_000, ok } = this.#options
    const work = async () => (await ok(await this.#load({ signal: load.abort.signal }))) || ''
    try {
      const made = Promise.race([work(), load.whenStopped])
      const late = () => new Error(`Loading "${this.topic}" took longer than ${timeout} ms`)
      const html = await (Number.isFinite(timeout) ? within(timeout, made, late) : made)
      return load.stopped || html === undefined ? undefined : { state: 'ok', html }
    } catch (error) {
      if (load.stopped) return undefined
      // It may only have taken too long.
      load.abort.abort()
      this.#report(error)
      return this.#failure(error)
    }
  }

  async #settle(
    load: Load,
    result: Pick<Kept, 'state' | 'html'> | undefined,
  ): Promise<LoadOutcome> {
    if (result && !load.stopped) {
      if (await this.#publish(load, result)) return result.state as 'ok' | 'failed'
    } else if (load.stopped === 'cancelled') {
      const before =
        load.before ?? (await this.#failure(new DOMException('Cancelled', 'AbortError')))
      if (await this.#publish(load, before)) return 'cancelled'
    }
    return load.stopped ?? 'superseded'
  }

  /** Whether it was published: not if a newer load has begun, at any process. */
  async #publish(load: Load, { state, html }: Pick<Kept, 'state' | 'html'>): Promise<boolean> {
    const { name } = load
    let isNewest = false
    const publish = (what: Pick<Kept, 'state' | 'html'>) =>
      publishOver(this.hub, this.topic, (newest) => {
        const kept = newest && read(newest)
        const count = load.count ?? (kept?.count ?? 0) + 1
        isNewest = load.stopped !== 'superseded' && !(kept && isNewer(kept, count, name))
        return isNewest ? wrap(this.as, { ...what, count, name }) : undefined
      })
    try {
      await publish({ state, html })
    } catch (error) {
      if (state !== 'ok') throw error
      this.#report(error)
      await publish(await this.#failure(error))
    }
    return isNewest
  }

  async #failure(error: unknown): Promise<Pick<Kept, 'state' | 'html'>> {
    const { failed, retry, retryLabel = 'Try again' } = this.#options
    const button = retry === undefined ? '' : retryForm(retry, retryLabel)
    const html = await this.#rendered(
      failed && (() => failed(error, button)),
      `<span class="hw-failed">Failed</span>${button}`,
    )
    return { state: 'failed', html }
  }

  #renderLoading(): Promise<Html> {
    return this.#rendered(this.#options.loading, '<span class="hw-loading">Loading …</span>')
  }

  /** One that fails is reported, and shown as if there were none. */
  async #rendered(render: (() => Shown | Promise<Shown>) | undefined, usual: Html): Promise<Html> {
    if (!render) return usual
    const { render: most } = this.hub.limits
    const late = () => new Error(`Rendering "${this.topic}" took longer than ${most} ms`)
    try {
      const rendered = outsidePages(render)
      return (rendered instanceof Promise ? await within(most, rendered, late) : rendered) || ''
    } catch (error) {
      this.#report(error)
      return usual
    }
  }

  /** Loads what another process was loading, if that is gone. */
  async #takeOver(kept: Kept): Promise<void> {
    const { registry } = this.hub
    const lease = leaseOf(this.topic, kept)
    if (this.#current || this.#own.has(kept.name)) return
    if (!(await registry.take(lease))) return
    try {
      const still = await this.#kept()
      if (still?.state !== 'loading' || still.name !== kept.name || this.#current) return
      await this.#start().announced
    } finally {
      await registry.release(lease)
    }
  }

  async #kept(): Promise<Kept | undefined> {
    const [newest] = await this.hub.log.last(this.topic, 1)
    return newest && read(newest)
  }

  #report(error: unknown): void {
    if (!this.hub.isClosed) this.hub.report(error, this.topic)
  }
}

/** Works without script: the app then sends the page again. */
function retryForm(action: string, label: string | number): Html {
  const values = {
    class: 'hw-retry',
    method: 'post',
    action,
    'hx-post': action,
    'hx-swap': 'none',
    'hx-target': 'this',
  }
  return tag('form', values, tag('button', { type: 'submit' }, text(label)))
}
