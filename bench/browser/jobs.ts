/** What the page shows: jobs of which any of four fields changes at any time. */

export interface Job {
  id: string
  state: string
  done: number
  rate: number
  note: string
}

/** The fields, each with a stream and a cell. */
export const fields = ['state', 'done', 'rate', 'note'] as const

const states = ['queued', 'running', 'paused', 'failed'] as const
/** Shares no factor with the number of cells, so that each has its turn, not one beside the other. */
const stride = 1_597

/** So many jobs, and one change of a cell after the other: the same each time. */
export class Jobs {
  readonly all: Job[]
  #count = 0

  constructor(rows: number) {
    this.all = Array.from({ length: rows }, (_, n) => ({ id: String(n), ...valuesOf(n) }))
  }

  /** Changes the next cell, and says which. */
  change(): { job: Job; field: (typeof fields)[number] } {
    const cell = (this.#count++ * stride) % (this.all.length * fields.length)
    return this.#changeCell(cell, this.#count)
  }

  /** Changes each cell once, from the first to the last. */
  *changeAll() {
    for (let cell = 0; cell < this.all.length * fields.length; cell++) {
      yield this.#changeCell(cell, cell + 1)
    }
  }

  #changeCell(cell: number, n: number) {
    const job = this.all[Math.floor(cell / fields.length)] as Job
    const field = fields[cell % fields.length] as (typeof fields)[number]
    // Never what is shown already: a change that can not be seen could be left out unseen.
    let next = valuesOf(n)
    while (next[field] === job[field]) next = valuesOf(++n)
    Object.assign(job, { [field]: next[field] })
    return { job, field }
  }
}

function valuesOf(n: number): Omit<Job, 'id'> {
  return {
    state: states[n % states.length] as string,
    done: (n * 7) % 101,
    rate: (n * 13) % 1_000,
    note: `file ${n % 10_000} of 10,000`,
  }
}
