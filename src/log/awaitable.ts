import type { Awaitable } from './contract'

/** All of them, at once if none is a promise. */
export function all<T>(values: Awaitable<T>[]): Awaitable<T[]> {
  const isLater = values.some((value) => value instanceof Promise)
  return isLater ? Promise.all(values) : (values as T[])
}

/** Goes on at once with a value, later with a promise: a driver on this machine costs no turn. */
export function then<T, R>(value: Awaitable<T>, next: (value: T) => Awaitable<R>): Awaitable<R> {
  return value instanceof Promise ? value.then(next) : next(value)
}
