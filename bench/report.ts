/** Results as Markdown, on the screen and in a file with a section for each scenario. */
import { cpus, release } from 'node:os'
import { median, type Result } from './rounds'
import { type Bar, type Round, ratio as ratioOf, type Scenario } from './scenario'

/** The section of a scenario. `busy`: how many processes wanted to run in the minute before. */
export function section(
  scenario: Scenario,
  results: Result[],
  { runs, busy }: { runs: number; busy: number },
): string {
  const parts = results.map(({ of, rounds, failures }) =>
    [
      `### ${scenario.label(of)}`,
      table(['candidate', ...headers(scenario)], figures(scenario, rounds)),
      table(
        ['figure to reach', 'bar', 'measured', ''],
        [...scenario.bars(of).map(judged(rounds)), ...whole(failures, scenario)],
      ),
      failures
        .map(({ candidate, round, reason }) => `- ${candidate} failed in round ${round}: ${reason}`)
        .join('\n'),
    ]
      .filter((part) => part !== '')
      .join('\n\n'),
  )
  return [`## ${scenario.name}`, scenario.about, machine(runs, busy), ...parts, ''].join('\n\n')
}

/** Puts a section into a file in the place of the one with its name, or at the end. */
export async function writeSection(path: string, name: string, section: string): Promise<void> {
  // Not one object for all: it would remember that there was no file.
  const text = (await Bun.file(path).exists()) ? await Bun.file(path).text() : title
  const [head = '', ...sections] = text.split(/^(?=## )/m)
  const at = sections.findIndex((each) => each.startsWith(`## ${name}\n`))
  if (at >= 0) sections[at] = section
  else sections.push(section)
  await Bun.write(path, [head, ...sections].map((part) => `${part.trimEnd()}\n`).join('\n'))
}

/** What stands above all sections. */
const title = `# Figures

Written by \`bun run bench\`. Each candidate runs in a fresh process, the load in another one, in another order each
round. Values are medians over the rounds; a ratio is taken within a round, then the median of all.
`

function machine(runs: number, busy: number): string {
  const date = new Date().toISOString().slice(0, 16).replace('T', ' ')
  const rounds = runs === 1 ? '1 round (a trial: five count)' : `${runs} rounds`
  const model = cpus()[0]?.model.trim()
  return `${date} UTC · ${cpus().length} × ${model} · Linux ${release()} · Bun ${Bun.version} · load average before ${busy.toFixed(1)} · ${rounds}`
}

function headers({ columns, ratio }: Scenario): string[] {
  return [...columns.map(({ name }) => name), ...(ratio ? [`× ${ratio.to}`] : [])]
}

function figures({ columns, ratio }: Scenario, rounds: Round[]): string[][] {
  return [...new Set(rounds.flatMap((round) => Object.keys(round)))].toSorted().map((candidate) => {
    const values = columns.map(({ figure, digits }) =>
      number(
        middle(rounds, (round) => round[candidate]?.[figure]),
        digits,
      ),
    )
    if (!ratio) return [candidate, ...values]
    const quotient = middle(rounds, ratioOf(candidate, ratio.to, ratio.figure))
    return [candidate, ...values, number(quotient, 2)]
  })
}

/** What the engine loses or doubles fails its measurement. */
function whole(failures: Result['failures'], { candidates }: Scenario): string[][] {
  if (!candidates.some(isOurs)) return []
  const count = failures.filter(({ candidate }) => isOurs(candidate)).length
  const verdict = count === 0 ? 'reached' : '**not reached**'
  return [['measurements in which Headwater lost, doubled or failed', '0', String(count), verdict]]
}

function isOurs(candidate: string): boolean {
  return candidate.startsWith('headwater')
}

function judged(rounds: Round[]): (bar: Bar) => string[] {
  return ({ what, wanted, of, holds }) => {
    const value = middle(rounds, of)
    if (value === undefined) return [what, wanted, '–', 'not measured']
    const digits = Math.abs(value) < 100 ? 2 : 0
    return [what, wanted, number(value, digits), holds(value) ? 'reached' : '**not reached**']
  }
}

function middle(rounds: Round[], of: (round: Round) => number | undefined): number | undefined {
  const values = rounds.map(of).filter((value) => value !== undefined)
  return values.length === 0 ? undefined : median(values)
}

function number(value: number | undefined, digits = 0): string {
  if (value === undefined || Number.isNaN(value)) return '–'
  return value.toLocaleString('en', {
    minimumFractionDigits: digits,
    maximumFractionDigits: digits,
  })
}

function table(head: string[], rows: string[][]): string {
  if (rows.length === 0) return ''
  const width = (i: number) => Math.max(3, ...[head, ...rows].map((row) => row[i]?.length ?? 0))
  const line = (row: string[]) =>
    `| ${row.map((cell, i) => (i === 0 ? cell.padEnd(width(i)) : cell.padStart(width(i)))).join(' | ')} |`
  const rule = head.map((_, i) => (i === 0 ? '-'.repeat(width(i)) : `${'-'.repeat(width(i) - 1)}:`))
  return [line(head), `| ${rule.join(' | ')} |`, ...rows.map(line)].join('\n')
}
