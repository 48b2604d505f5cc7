/** What both tables show. */

export interface Job {
  id: string
  name: string
  state: 'running' | 'done' | 'failed'
  done: number
}

const states = ['running', 'done', 'failed'] as const

/** So many jobs, the same each time. */
export function jobsOf(count: number): Job[] {
  return Array.from({ length: count }, (_, n) => ({
    id: String(n),
    name: `Import of <file ${n}> & more`,
    state: states[n % 3] ?? 'done',
    done: (n * 7) % 101,
  }))
}

/** One whose texts mean something in HTML, URLs and topics. */
export const hostile: Job = {
  id: `a:b*c,d e/f%2A"'<&>é\ud800`,
  name: `"><script>alert('1')</script>`,
  state: 'failed',
  done: 100,
}
