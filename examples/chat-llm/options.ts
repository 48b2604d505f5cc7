import { embedded } from './embedded'
import { openAi } from './openai'
import type { Provider } from './provider'

/** What the environment says. */
export interface Options {
  /** 0 is any free port. */
  port: number
  /** The file of the database. */
  database: string
  provider: Provider
}

type Environment = Record<string, string | undefined>

/**
 * Reads the environment: `PORT` (3000), `DATABASE` (chat.db); `OPENAI_API_KEY`, `OPENAI_BASE_URL`, `OPENAI_MODEL` and
 * `OPENAI_PATIENCE` (milliseconds without a sign, 60000) for a model elsewhere; without key and address `CHAT_PACE`
 * (milliseconds a word, 50) for the one of this example. `HOSTS` is read where requests are answered.
 *
 * @throws TypeError for a value that is none, in one sentence.
 */
export async function optionsOf(env: Environment): Promise<Options> {
  return {
    port: number(env, 'PORT', 3000, 0, 65_535),
    database: env.DATABASE || 'chat.db',
    provider: await providerOf(env),
  }
}

async function providerOf(env: Environment): Promise<Provider> {
  const { OPENAI_BASE_URL: baseURL, OPENAI_MODEL: model } = env
  const apiKey = env.OPENAI_API_KEY?.trim()
  if (!apiKey && !baseURL) return embedded({ pace: number(env, 'CHAT_PACE', 50, 0, 10_000) })
  if (!model) throw new TypeError('Expected OPENAI_MODEL to name a model, got nothing.')
  if (baseURL && !/^https?:$/.test(URL.parse(baseURL)?.protocol ?? '')) {
    throw new TypeError('Expected OPENAI_BASE_URL to be a URL such as http://127.0.0.1:8080/v1.')
  }
  // What no header can hold would be quoted by an error.
  if (apiKey && !/^[!-~]+$/.test(apiKey)) {
    throw new TypeError('Expected OPENAI_API_KEY to be letters, digits and signs without a space.')
  }
  const patience = number(env, 'OPENAI_PATIENCE', 60_000, 1, 3_600_000)
  return openAi({ baseURL: baseURL || undefined, apiKey: apiKey || undefined, model, patience })
}

function number(
  env: Environment,
  name: string,
  otherwise: number,
  least: number,
  most: number,
): number {
  const value = env[name] || String(otherwise)
  const read = Number(value)
  if (/^\d{1,9}$/.test(value) && read >= least && read <= most) return read
  throw new TypeError(
    `Expected ${name} to be a number from ${least} to ${most}, got ${JSON.stringify(value)}.`,
  )
}
