/**
 * What every example refuses: who asks for a name that is not its own (a foreign name that was made to mean this machine),
 * and what another site posts.
 *
 * ```ts
 * await expectOwn(url, ['/'], ['/jobs'])
 * ```
 */
import { expect } from 'bun:test'

/**
 * Asks in all the ways that count.
 *
 * @param url of an example that was started with `HOSTS=jobs.example,other.example`
 * @param pages paths that can be read
 * @param forms paths to which is posted, with a body that is none
 */
export async function expectOwn(url: string, pages: string[], forms: string[]): Promise<void> {
  const { port } = new URL(url)
  const ask = async (method: string, path: string, headers: Record<string, string>) => {
    const response = await fetch(url + path, { method, headers, redirect: 'manual' })
    expect(response.headers.get('content-security-policy')).toContain("default-src 'none'")
    return response.status
  }
  const asks = [...pages.map((path) => ['GET', path]), ...forms.map((path) => ['POST', path])]
  const own = ['127.0.0.1', 'localhost', '[::1]', 'other.example']
  for (const [method, path] of asks as [string, string][]) {
    for (const host of own.flatMap((name) => [name, `${name}:${port}`, `${name}:1`])) {
      expect([method, path, host, await ask(method, path, { host })]).not.toContain(403)
    }
    for (const host of [
      'evil.example',
      `evil.example:${port}`,
      '127.0.0.1.example',
      'localhost.',
      '10.0.0.1',
    ]) {
      const status = await ask(method, path, { host, 'sec-fetch-site': 'same-origin' })
      expect([method, path, host, status]).toEqual([method, path, host, 403])
    }
  }
  // Without `sec-fetch-site`, which browsers leave out where there is no TLS, the origin tells.
  const foreign: Record<string, string>[] = [
    { 'sec-fetch-site': 'cross-site' },
    { 'sec-fetch-site': 'same-site' },
    { origin: 'http://evil.example' },
    { origin: 'null' },
  ]
  for (const path of forms) {
    for (const headers of foreign) {
      expect([path, headers, await ask('POST', path, headers)]).toEqual([path, headers, 403])
    }
    expect(await ask('POST', path, { origin: url })).not.toBe(403)
  }
}

/**
 * What a program says that can not begin: its code, and one sentence.
 *
 * @param words the file, and what follows it
 */
export async function endOf(
  words: string[],
  env: Record<string, string>,
): Promise<{ code: number; said: string }> {
  const child = Bun.spawn([process.execPath, ...words], {
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: 10_000,
  })
  const [out, said, code] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
    child.exited,
  ])
  expect(out).toBe('')
  expect(said.trimEnd().split('\n')).toHaveLength(1)
  return { code, said }
}
