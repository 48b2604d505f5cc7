/** The model of `examples/chat-llm`: it generates, it does not recite. */
import { describe, expect, test } from 'bun:test'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { Ngram } from '../../examples/chat-llm/ngram'
import { optionsOf } from '../../examples/chat-llm/options'

const root = join(import.meta.dir, '..', '..')
const names = readdirSync(join(root, 'docs')).filter((name) => name.endsWith('.md'))
const docs = ['README.md', ...names.map((name) => `docs/${name}`)]
  .map((path) => readFileSync(join(root, path), 'utf8'))
  .join('\n\n')
const model = new Ngram(docs)

describe('the n-gram model', () => {
  test('writes words of its texts alone, and sentences that are not in them', () => {
    const known = new Set(docs.match(/\p{L}+/gu))
    const plain = docs.replace(/\s+/g, ' ')
    let fresh = 0
    for (let seed = 1; seed <= 20; seed++) {
      const text = written('How does a reader catch up?', seed)
      for (const word of text.match(/\p{L}+/gu) ?? []) expect(known).toContain(word)
      const sentences = text.replace(/\s+/g, ' ').match(/[^.]{40,}?\. /g) ?? []
      fresh += sentences.filter((sentence) => !plain.includes(sentence.trim())).length
    }
    expect(fresh).toBeGreaterThan(20)
  })

  test('is about the rarest word of the question that it knows, and differs between questions and between tries', () => {
    const birds = new Ngram(
      'The heron waits. The heron eats a fish. All wait for rain.\n\nThe owl sleeps, and the owl eats at night. All eat.',
    )
    for (const [question, about] of [
      ['What does the OWL do?', 'The owl'],
      ['Is there rain?', 'All wait for rain'],
      ['heron?', 'The heron'],
    ] as const) {
      for (let seed = 1; seed <= 9; seed++) {
        const text = [...birds.write(question, { random: random(seed) })].join('')
        expect([question, text]).toEqual([question, expect.stringContaining(about)])
      }
    }
    const texts = [
      written('What is a lease?', 1),
      written('What is a lease?', 2),
      written('What is a slot?', 1),
      written('What is the head?', 1),
      written('', 1),
      written('qwertz <script>', 2),
    ]
    expect(new Set(texts).size).toBe(texts.length)
    for (const text of texts) expect(text.trim()).not.toBe('')
    expect(written('What is a lease?', 1)).toBe(texts[0] as string)
  })

  test('closes what it opens, and comes to an end', () => {
    for (let seed = 1; seed <= 200; seed++) {
      const text = written('Show me the code of a stream', seed)
      expect(text.match(/^```/gm)?.length ?? 0).toSatisfy((fences) => fences % 2 === 0)
      const prose = text.replace(/^```ts\n[\s\S]*?\n```$/gm, '').replace(/`[^`\n]+`/g, '')
      expect(prose).not.toContain('`')
      expect(text.length).toBeLessThan(30_000)
    }
  })

  test('goes the usual way when it is cold, and has nothing to say of nothing', () => {
    const few = new Ngram(`${'the cat sat. '.repeat(9)}the cow sat.`)
    const cold = [...few.write('', { random: random(3), temperature: 0.1 })].join('')
    expect(cold).not.toContain('cow')
    const hot = Array.from({ length: 20 }, (_, seed) => [
      ...few.write('', { random: random(seed), temperature: 5 }),
    ])
    expect(hot.flat()).toContain('cow')
    expect([...new Ngram('').write('anything')].join('').trim()).toBe('')
  })
})

describe('the environment', () => {
  test('names a provider, or the model of the example answers', async () => {
    expect((await optionsOf({})).provider.name).toBe('n-gram model of the docs')
    expect(await optionsOf({ PORT: '0', DATABASE: 'x.db' })).toMatchObject({
      port: 0,
      database: 'x.db',
    })
    const remote = { OPENAI_API_KEY: 'sk-1', OPENAI_MODEL: 'gpt' }
    expect((await optionsOf(remote)).provider.name).toBe('gpt')
    const local = { OPENAI_BASE_URL: 'http://127.0.0.1:8080/v1', OPENAI_MODEL: 'mine' }
    expect((await optionsOf(local)).provider.name).toBe('mine')
  })

  test('is refused in a sentence that does not hold the key', async () => {
    const cases = [
      [{ OPENAI_API_KEY: 'sk-1' }, 'Expected OPENAI_MODEL to name a model'],
      [{ OPENAI_BASE_URL: 'nowhere', OPENAI_MODEL: 'm' }, 'Expected OPENAI_BASE_URL to be a URL'],
      [{ OPENAI_API_KEY: 'sk 1', OPENAI_MODEL: 'm' }, 'Expected OPENAI_API_KEY to be letters'],
      [{ CHAT_PACE: 'fast' }, 'Expected CHAT_PACE to be a number from 0 to 10000, got "fast"'],
      [{ PORT: '70000' }, 'Expected PORT to be a number from 0 to 65535'],
      [{ OPENAI_API_KEY: 'sk-1', OPENAI_MODEL: 'm', OPENAI_PATIENCE: '0' }, 'from 1 to 3600000'],
    ] as const
    for (const [env, sentence] of cases) {
      const fault = await optionsOf(env).then(String, (error: Error) => error.message)
      expect(fault).toContain(sentence)
      expect(fault).not.toMatch(/sk.1/)
    }
  })
})

function written(question: string, seed: number): string {
  return [...model.write(question, { random: random(seed) })].join('')
}

/** Numbers from 0 to 1, the same for the same seed. */
function random(seed: number): () => number {
  let state = Math.imul(seed + 1, 0x9e3779b1)
  return () => {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    return (state >>> 0) / 2 ** 32
  }
}
