/** What a timer can wait at most, in milliseconds: with more it fires at once. */
export const longestTimer = 2 ** 31 - 1
