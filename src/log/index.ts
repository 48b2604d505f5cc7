export type { Appended, Awaitable, Entry, Form, Keep, Kind, Log, LogEvent, Tx } from './contract'
export { memoryLog } from './memory'
export { sqliteLog } from './sqlite'
