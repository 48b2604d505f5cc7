import { readFileSync } from 'node:fs'

/** The identity of this start of the machine; where there is none, one that never changes. */
export function bootId(): string {
  try {
    return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()
  } catch {
    return 'unknown'
  }
}
