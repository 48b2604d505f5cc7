import { join } from 'node:path'
import { Ngram } from './ngram'
import type { Provider } from './provider'

/** How the model of this example answers. */
export interface EmbeddedOptions {
  /** Milliseconds a word takes, on average; 0 for as fast as it goes. @default 50 */
  pace?: number | undefined
}

const root = join(import.meta.dir, '..', '..')

/** A model that needs no key: it has read nothing but the documents of this project, and answers in their manner. */
export async function embedded({ pace = 50 }: EmbeddedOptions = {}): Promise<Provider> {
  const documents = [...new Bun.Glob('docs/*.md').scanSync(root)].sort()
  const texts = ['README.md', ...documents].map((path) => Bun.file(join(root, path)).text())
  const model = new Ngram((await Promise.all(texts)).join('\n\n'))
  return {
    name: 'n-gram model of the docs',
    async *answer(turns, signal) {
      const question = turns.at(-1)?.text ?? ''
      for (const word of model.write(question)) {
        // Nobody writes like a metronome.
        if (word.trim() !== '') await Bun.sleep(pace * (0.4 + 1.2 * Math.random()))
        if (signal.aborted) return
        yield word
      }
    },
  }
}
