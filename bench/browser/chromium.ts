import { chromiumFlags, chromiumPath } from '../../scripts/setup'
import { DevTools } from './cdp'
import { Tab } from './tab'

/**
 * A Chromium of its own with a new profile.
 *
 * Not Playwright: it watches the network of each page, and then the renderer reports every single event of an
 * `EventSource` on the main thread that is measured here.
 */
export class Chromium {
  readonly #process: Bun.Subprocess<'ignore', 'ignore', 'pipe'>
  readonly #tools: DevTools

  private constructor(process: Bun.Subprocess<'ignore', 'ignore', 'pipe'>, tools: DevTools) {
    this.#process = process
    this.#tools = tools
  }

  /** @param folder where its profile may be */
  static async start(folder: string): Promise<Chromium> {
    const child = Bun.spawn(
      [chromiumPath(), ...flags, `--user-data-dir=${folder}/chromium`, 'about:blank'],
      {
        stdin: 'ignore',
        stdout: 'ignore',
        stderr: 'pipe',
      },
    )
    return new Chromium(child, await DevTools.connect(await addressIn(child.stderr)))
  }

  /** A new tab, in front of the others. */
  async tab(): Promise<Tab> {
    const { targetId } = await this.#tools.send<{ targetId: string }>('Target.createTarget', {
      url: 'about:blank',
    })
    return new Tab(await this.#tools.session(targetId), this.#tools)
  }

  /** CPU time of all its processes up to now, in milliseconds. */
  async cpu(): Promise<number> {
    const { processInfo } = await this.#tools.send<{ processInfo: { cpuTime: number }[] }>(
      'SystemInfo.getProcessInfo',
    )
    return processInfo.reduce((sum, { cpuTime }) => sum + cpuTime, 0) * 1_000
  }

  async end(): Promise<void> {
    this.#tools.send('Browser.close').catch(() => {})
    // Told to close it still writes its profile, which is thrown away.
    const late = setTimeout(() => this.#process.kill('SIGKILL'), 3_000)
    await this.#process.exited
    clearTimeout(late)
  }
}

const flags = [
  ...chromiumFlags,
  '--headless',
  '--remote-debugging-port=0',
  '--window-size=1280,720',
]

/** Where it says on its error output that it listens. */
async function addressIn(output: ReadableStream<Uint8Array>): Promise<string> {
  const decoder = new TextDecoder()
  const reader = output.getReader()
  let said = ''
  for (;;) {
    const { value, done } = await reader.read()
    if (done) throw new Error(`Chromium did not start: ${said}`)
    said += decoder.decode(value, { stream: true })
    const found = said.match(/DevTools listening on (ws:\S+)\s/)
    if (!found) continue
    void drain(reader)
    return found[1] as string
  }
}

/** A pipe that nobody reads would stop it some day. */
async function drain(reader: ReadableStreamDefaultReader<Uint8Array>): Promise<void> {
  while (!(await reader.read()).done);
}
