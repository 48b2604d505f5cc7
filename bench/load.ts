/**
 * The load: many raw connections in a process of its own, which count what arrives and how old it is.
 *
 * `bun bench/load.ts <port> <path> <connections>` prints `ready`, and at each line on its input what it has
 * counted since the last, as JSON: { events, bytes, p50, p99 } with ages in milliseconds.
 */
import type { Socket } from 'bun'

const [port = '0', path = '/', connections = '1'] = Bun.argv.slice(2)
/** Every so many events the age of one is looked at; all are counted. */
const sample = 97

let events = 0
let bytes = 0
let open = 0
let ages: number[] = []
const mark = Buffer.from('\ndata: ')

/** Counts the events in a chunk; a mark that is cut by the end of it is found with the rest. */
function count(socket: Socket<{ rest: Buffer }>, chunk: Buffer): void {
  bytes += chunk.byteLength
  const all = socket.data.rest.length > 0 ? Buffer.concat([socket.data.rest, chunk]) : chunk
  let at = all.indexOf(mark)
  let last = 0
  for (; at >= 0; at = all.indexOf(mark, last)) {
    last = at + mark.length
    if (++events % sample === 0) age(all, last)
  }
  socket.data.rest = all.subarray(Math.max(last, all.length - mark.length + 1))
}

/** The data begins with the time of its publish, if all of it is in this chunk. */
function age(all: Buffer, at: number): void {
  const sent = Number(all.toString('latin1', at, at + 15))
  if (sent > 0) ages.push(performance.timeOrigin + performance.now() - sent / 10)
}

for (let i = 0; i < Number(connections); i++) {
  await Bun.connect({
    hostname: '127.0.0.1',
    port: Number(port),
    data: { rest: Buffer.alloc(0) },
    socket: {
      data: count,
      open(socket) {
        socket.data = { rest: Buffer.alloc(0) }
        socket.write(`GET ${path} HTTP/1.1\r\nHost: bench\r\nAccept: text/event-stream\r\n\r\n`)
        open++
      },
    },
  })
}
while (open < Number(connections)) await Bun.sleep(5)
console.log('ready')

for await (const _ of console) {
  const sorted = ages.sort((a, b) => a - b)
  const at = (part: number) => sorted[Math.floor(sorted.length * part)] ?? 0
  console.log(JSON.stringify({ events, bytes, p50: at(0.5), p99: at(0.99) }))
  events = 0
  bytes = 0
  ages = []
}
