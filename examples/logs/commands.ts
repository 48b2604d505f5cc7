import { fileURLToPath } from 'node:url'

/** A program that may be run. Nothing that a visitor says becomes part of it, and no shell reads it. */
export interface Command {
  name: string
  label: string
  argv: readonly [string, ...string[]]
}

/** All that may be run, with what is installed here. */
export function commands(folder: string | undefined, made: string): Command[] {
  const own = (file: string) => fileURLToPath(new URL(file, import.meta.url))
  const all: Command[] = [
    { name: 'ping', label: 'Ping this machine', argv: ['ping', '-c', '20', '127.0.0.1'] },
    {
      name: 'build',
      label: 'Build this example',
      argv: [process.execPath, 'build', own('main.tsx'), '--target', 'bun', '--outdir', made],
    },
    {
      name: 'flood',
      label: '100,000 lines in 10 s',
      argv: [process.execPath, own('flood.ts')],
    },
  ]
  if (folder !== undefined) {
    all.splice(1, 0, { name: 'find', label: `List ${folder}`, argv: ['find', folder, '-ls'] })
  }
  return all.filter(({ argv: [program] }) => Bun.which(program) !== null)
}
