export const hi = 1
