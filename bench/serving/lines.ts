/** Lines of a log, the same each time. */

const levels = ['INFO', 'INFO', 'INFO', 'DEBUG', 'INFO', 'WARN', 'INFO', 'INFO', 'ERROR', 'INFO']
const paths = ['/', '/api/items?page=2&sort=name', '/login', '/assets/<hash>/app.js', '/health']

/** One line, from 1 on. */
export function lineOf(n: number): string {
  const at = new Date(1_790_000_000_000 + n * 3).toISOString()
  const level = levels[n % levels.length]?.padEnd(5)
  const path = paths[(n * 7) % paths.length]
  return `${at} ${level} worker-${n % 8} request ${n}: GET ${path} 200 in ${(n * 13) % 400} ms`
}
