/** Headwater with everything on: ids, the durable log, the registry's rows in the file. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Hub } from 'headwater'
import { serve } from './serve'

const folder = mkdtempSync(join(tmpdir(), 'bench-'))
process.on('exit', () => rmSync(folder, { recursive: true, force: true }))
const hub = new Hub({
  database: join(folder, 'bench.db'),
  limits: { perAddress: 100_000, connections: 100_000 },
})
hub.topic('bench', { guard: 'public' })

serve({
  path: '/stream?topic=bench',
  fetch: (request, server) => hub.fetch(request, { server }),
  publish: (data) => hub.publish('bench', data),
})
