/** The floor: plain Bun.serve, a stream of type `direct`, shared bytes, write and flush; no ids, nothing kept. */
import { serve } from './serve'

interface Controller {
  write(bytes: Uint8Array): number | Promise<number>
  flush(): void
}

const open = new Set<Controller>()
const encoder = new TextEncoder()

serve({
  path: '/stream',
  fetch() {
    let own: Controller
    const source = {
      type: 'direct',
      pull(controller: Controller) {
        own = controller
        open.add(controller)
        controller.write(encoder.encode('retry: 1000\n:\n\n'))
        controller.flush()
      },
      cancel: () => open.delete(own),
    }
    return new Response(new ReadableStream(source as unknown as UnderlyingSource), {
      headers: { 'content-type': 'text/event-stream' },
    })
  },
  publish(data) {
    const bytes = encoder.encode(`event: bench\ndata: ${data}\n\n`)
    for (const controller of open) {
      controller.write(bytes)
      controller.flush()
    }
  },
})
