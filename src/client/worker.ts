/**
 * What runs in the SharedWorker: the stream of a browser, handed on to all its pages.
 */
import type { Change } from './messages'
import { stream } from './stream'

/** Serves pages that connect. @param path takes `POST` */
export function serve(path: string): void {
  const ports = new Set<MessagePort>()
  const change = stream(path, (...said) => {
    for (const port of ports) port.postMessage(said)
  })
  addEventListener('connect', (event) => {
    const [port] = (event as MessageEvent).ports as [MessagePort]
    let page = '?'
    const leave = () => {
      // A page that is kept for the way back would be thrown away if it were sent anything.
      ports.delete(port)
      change({ page, bye: true })
    }
    port.onmessage = ({ data }: MessageEvent<Change>) => {
      // A page that speaks under another name has given up all that it followed under the one before.
      if (data.bye || page !== data.page) leave()
      page = data.page
      if (data.bye) return
      ports.add(port)
      change(data)
    }
    port.addEventListener('close', leave)
    // There is somebody, who will have more to say soon.
    port.postMessage([[], 45_000])
  })
}
