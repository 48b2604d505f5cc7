/**
 * Waits for a promise, but not for longer than so many milliseconds.
 *
 * @param late makes what it is rejected with then
 */
export async function within<T>(
  milliseconds: number,
  promise: Promise<T>,
  late: () => unknown,
): Promise<T> {
  let timer: Timer | undefined
  const over = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(late()), milliseconds)
    // Who waits for nothing else may end.
    timer.unref()
  })
  try {
    return await Promise.race([promise, over])
  } finally {
    clearTimeout(timer)
  }
}
