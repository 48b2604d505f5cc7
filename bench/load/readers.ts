import { cc } from 'bun:ffi'

/** What `readers.c` can do, compiled when the process starts. It is for Linux (epoll). */
export const { symbols: readers } = cc({
  source: `${import.meta.dir}/readers.c`,
  symbols: {
    begin: { args: ['i32'], returns: 'void' },
    add: { args: ['ptr', 'i32', 'i32', 'f64', 'i32', 'i32'], returns: 'i32' },
    release: { args: [], returns: 'void' },
    turn: { args: ['i32', 'i32'], returns: 'void' },
    connected: { args: [], returns: 'i32' },
    settled: { args: [], returns: 'i32' },
    counted: { args: [], returns: 'f64' },
    hold: { args: ['i32', 'i32'], returns: 'void' },
    sip: { args: ['i32', 'i32'], returns: 'void' },
    cut: { args: ['i32'], returns: 'void' },
    tell: { args: ['ptr'], returns: 'void' },
    tell_each: { args: ['ptr'], returns: 'void' },
  },
})
