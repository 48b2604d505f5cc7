/** The programs of a Markdown page: its ```ts and ```tsx blocks that begin with a comment naming a file. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'

/** A fenced block that is a whole file. */
export interface Program {
  language: 'ts' | 'tsx'
  /** As its first line names it, say `hello.tsx` or `app/jobs.ts`. */
  file: string
  /** Everything between the fences, the naming line too. */
  text: string
}

const block = /^```(tsx?)[^\n]*\n(\/\/ ([\w./-]+\.tsx?)\b[^\n]*\n[\s\S]*?)^```$/gm

/** Reads the programs of one page, in their order. */
export function programs(page: string): Program[] {
  const text = readFileSync(join(import.meta.dir, '../..', page), 'utf8')
  return [...text.matchAll(block)].map(([, language, text = '', file = '']) => ({
    language: language === 'tsx' ? 'tsx' : 'ts',
    file,
    text,
  }))
}
