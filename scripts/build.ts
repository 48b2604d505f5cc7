/**
 * `bun run build`: the scripts of pages, from `src/client/` into `dist/`.
 *
 * What it makes is committed, so that a clone and an installed package serve it without a step; a test
 * holds it to the sources, byte for byte.
 */
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { root } from './setup'

const note = '/* Headwater, MIT licence */\n'

/** The files of `dist/`, by name: bundled anew, alike every time. */
export async function build(): Promise<Record<string, string>> {
  const idiomorph = fileURLToPath(import.meta.resolve('idiomorph/dist/idiomorph.min.js'))
  const [runtime, sse4, status, morph, log, text] = await Promise.all(
    ['main.ts', 'sse4.ts', 'status.ts', 'morphing.ts', 'log.ts', 'text.ts'].map(bundle),
  )
  return {
    // Each byte of these counts.
    'headwater.js': runtime as string,
    'text.js': text as string,
    'sse4.js': note + sse4,
    'status.js': note + status,
    'morph.js': note + morph,
    'log.js': note + log,
    'idiomorph.js': `/* idiomorph, 0BSD licence */\n${await Bun.file(idiomorph).text()}\n${note}${morph}`,
  }
}

/** One classic script: it is loaded with `defer`, and by a worker. */
async function bundle(entry: string): Promise<string> {
  const { outputs } = await Bun.build({
    entrypoints: [join(root, 'src', 'client', entry)],
    target: 'browser',
    format: 'iife',
    minify: true,
  })
  const [script] = outputs
  if (!script) throw new Error(`The bundler made nothing of ${entry}`)
  return script.text()
}

if (import.meta.main) {
  for (const [name, script] of Object.entries(await build())) {
    const file = Bun.file(join(root, 'dist', name))
    // Servers and other tests read it meanwhile.
    if ((await file.text().catch(() => '')) !== script) await Bun.write(file, script)
    const { byteLength } = Bun.gzipSync(script, { level: 9 })
    console.log(`dist/${name}: ${script.length} bytes, ${byteLength} gzip`)
  }
}
