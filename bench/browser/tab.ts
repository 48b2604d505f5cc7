import type { DevTools, Session } from './cdp'
import type { Profile } from './profile'
import type { TraceEvent } from './trace'

/** What its main thread has done up to now. Times in milliseconds. */
export interface Work {
  at: number
  /** In tasks, by the clock. */
  task: number
  script: number
  style: number
  layout: number
  /** CPU time of the main thread. */
  thread: number
  /** CPU time of the whole process: workers, compositor, rubbish. */
  process: number
}

/** One page, watched from outside with nothing switched on that costs the page time. */
export class Tab {
  #session: Session
  #tools: DevTools

  constructor(session: Session, tools: DevTools) {
    this.#session = session
    this.#tools = tools
  }

  /** Resolves when the response has begun. */
  async open(url: string): Promise<void> {
    await this.#session.send('Performance.enable')
    const { errorText } = await this.#session.send<{ errorText?: string }>('Page.navigate', { url })
    if (errorText) throw new Error(`${url}: ${errorText}`)
  }

  /** What a function gives that is run in the page. It sees nothing of where it was written. */
  async run<Values extends unknown[], Answer>(
    act: (...values: Values) => Answer,
    ...values: Values
  ): Promise<Awaited<Answer>> {
    const words = values.map((value) => JSON.stringify(value)).join()
    const { result, exceptionDetails } = await this.#session.send<Evaluated>('Runtime.evaluate', {
      expression: `(${act})(${words})`,
      awaitPromise: true,
      returnByValue: true,
    })
    if (exceptionDetails) throw new Error(wordsOf(exceptionDetails))
    // Infinity is not in JSON.
    return (result.value ?? Number(result.unserializableValue)) as Awaited<Answer>
  }

  async work(): Promise<Work> {
    const { metrics } = await this.#session.send<{ metrics: { name: string; value: number }[] }>(
      'Performance.getMetrics',
    )
    const values = new Map(metrics.map(({ name, value }) => [name, value * 1_000]))
    const of = (name: string) => values.get(name) ?? Number.NaN
    return {
      at: of('Timestamp'),
      task: of('TaskDuration'),
      script: of('ScriptDuration'),
      style: of('RecalcStyleDuration'),
      layout: of('LayoutDuration'),
      thread: of('ThreadTime'),
      process: of('ProcessTime'),
    }
  }

  /** What it has complained about so far, on its console too. */
  async complaints(): Promise<string[]> {
    const found: string[] = []
    const offs = [
      this.#tools.on<{ entry: { text: string } }>('Log.entryAdded', ({ entry }) => {
        found.push(entry.text)
      }),
      this.#tools.on<{ exceptionDetails: Thrown }>('Runtime.exceptionThrown', (thrown) => {
        found.push(wordsOf(thrown.exceptionDetails))
      }),
    ]
    // Both tell what was before, and are not on while it is measured.
    for (const domain of ['Log', 'Runtime']) await this.#session.send(`${domain}.enable`)
    for (const off of offs) off()
    return found
  }

  /** The functions that run meanwhile, looked at every 100 µs. */
  async profile(meanwhile: () => Promise<unknown>): Promise<Profile> {
    await this.#session.send('Profiler.enable')
    await this.#session.send('Profiler.setSamplingInterval', { interval: 100 })
    await this.#session.send('Profiler.start')
    await meanwhile()
    return (await this.#session.send<{ profile: Profile }>('Profiler.stop')).profile
  }

  /** What the browser does meanwhile, as on the timeline of DevTools. */
  async trace(meanwhile: () => Promise<unknown>): Promise<TraceEvent[]> {
    const events: TraceEvent[] = []
    const off = this.#tools.on<{ value: TraceEvent[] }>('Tracing.dataCollected', ({ value }) =>
      events.push(...value),
    )
    const complete = new Promise<void>((resolve) => {
      const stop = this.#tools.on('Tracing.tracingComplete', () => {
        stop()
        resolve()
      })
    })
    await this.#tools.send('Tracing.start', {
      traceConfig: { includedCategories: categories },
      transferMode: 'ReportEvents',
    })
    await meanwhile()
    await this.#tools.send('Tracing.end')
    await complete
    off()
    return events
  }
}

interface Evaluated {
  result: { value?: unknown; unserializableValue?: string }
  exceptionDetails?: Thrown
}

interface Thrown {
  text: string
  exception?: { description?: string }
}

function wordsOf({ text, exception }: Thrown): string {
  return exception?.description ?? text
}

const categories = [
  '__metadata',
  'devtools.timeline',
  'disabled-by-default-devtools.timeline',
  'v8',
  'disabled-by-default-v8.gc',
]
