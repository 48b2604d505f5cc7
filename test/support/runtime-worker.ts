/**
 * The SharedWorker of a room's pages, from outside: it is no page, so the browser's own session reaches it.
 */
import { expect } from 'bun:test'
import { browser, until } from './browser'
import type { Room } from './runtime-room'

/** The browser's own session, and the worker of a room's pages. */
async function findWorker({ proxy }: Room) {
  const cdp = await (await browser()).newBrowserCDPSession()
  const workers = async () => {
    const { targetInfos } = await cdp.send('Target.getTargets')
    return targetInfos.filter(
      ({ type, url }) => type === 'shared_worker' && url.startsWith(proxy.url),
    )
  }
  const [worker, ...more] = await workers()
  expect(more).toEqual([])
  if (!worker) throw new Error('There is no SharedWorker')
  return { cdp, workers, targetId: worker.targetId }
}

/** Kills the worker, as the browser does when memory is short; the pages are told nothing. */
export async function killWorker(room: Room): Promise<void> {
  const { cdp, workers, targetId } = await findWorker(room)
  expect(await cdp.send('Target.closeTarget', { targetId })).toEqual({ success: true })
  await until(async () => (await workers()).every((one) => one.targetId !== targetId))
  await cdp.detach()
}

/** Has the worker do nothing any more; the browser gives it to every page that asks for one. */
export async function hangWorker(room: Room): Promise<void> {
  const ask = await askWorker(room)
  void ask('Runtime.evaluate', { expression: 'for (;;);' })
}

/** Gives what asks the worker's inspector, and resolves with its answer. */
export async function askWorker(room: Room) {
  const { cdp, targetId } = await findWorker(room)
  const { sessionId } = await cdp.send('Target.attachToTarget', { targetId, flatten: false })
  let last = 0
  return (method: string, params: object = {}) => {
    const id = ++last
    const { promise, resolve } = Promise.withResolvers<unknown>()
    const hear = ({ message }: { message: string }) => {
      const answer = JSON.parse(message)
      if (answer.id !== id) return
      cdp.off('Target.receivedMessageFromTarget', hear)
      resolve(answer.result)
    }
    cdp.on('Target.receivedMessageFromTarget', hear)
    const message = JSON.stringify({ id, method, params })
    void cdp.send('Target.sendMessageToTarget', { sessionId, message })
    return promise
  }
}

/** Bytes in use in the worker after its garbage was collected. */
export async function heapOfWorker(ask: Awaited<ReturnType<typeof askWorker>>): Promise<number> {
  await ask('HeapProfiler.collectGarbage')
  return ((await ask('Runtime.getHeapUsage')) as { usedSize: number }).usedSize
}
