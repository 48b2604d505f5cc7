import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

/** A file that pages need, served under a path with its hash, so that it may be kept for ever. */
export interface Asset {
  bytes: Buffer<ArrayBuffer>
  type: string
  hash: string
  /** For the `integrity` attribute. */
  integrity: string
}

/** The names of the files. */
export type AssetName = keyof typeof files

const script = 'text/javascript; charset=utf-8'
const files = {
  'htmx.js': { from: 'htmx.org/dist/htmx.min.js', type: script },
  'htmx4.js': { from: 'htmx4/dist/htmx.min.js', type: script },
  'sse.js': { from: 'htmx-ext-sse/dist/sse.min.js', type: script },
  'sse4.js': { from: '../dist/sse4.js', type: script },
  'status.js': { from: '../dist/status.js', type: script },
  'text.js': { from: '../dist/text.js', type: script },
  'log.js': { from: '../dist/log.js', type: script },
  'headwater.js': { from: '../dist/headwater.js', type: script },
  'idiomorph.js': { from: '../dist/idiomorph.js', type: script },
  'morph.js': { from: '../dist/morph.js', type: script },
  'theme.css': { from: '../components/theme.css', type: 'text/css; charset=utf-8' },
}
const loaded = new Map<string, Asset>()

/** Reads a file once. Nothing for a name that is none of ours. */
export function asset(name: string): Asset | undefined {
  if (!Object.hasOwn(files, name)) return undefined
  let found = loaded.get(name)
  if (!found) {
    const { from, type } = files[name as AssetName]
    const bytes = readFileSync(fileURLToPath(import.meta.resolve(from)))
    const sha = createHash('sha384').update(bytes).digest()
    found = {
      bytes,
      type,
      hash: sha.toString('hex').slice(0, 16),
      integrity: `sha384-${sha.toString('base64')}`,
    }
    loaded.set(name, found)
  }
  return found
}

/** Answers `<hash>/<name>`. */
export function serveAsset(rest: string): Response | undefined {
  const [hash, name = ''] = rest.split('/')
  const found = asset(name)
  if (!found || found.hash !== hash) return undefined
  return new Response(found.bytes, {
    headers: {
      'content-type': found.type,
      'cache-control': 'public, max-age=31536000, immutable',
      'x-content-type-options': 'nosniff',
    },
  })
}
