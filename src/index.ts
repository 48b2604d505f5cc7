export { action, type Call, type Phases } from './action'
export type { AsyncValueHandle } from './async-handle'
export type { AsyncValueOptions, LoadContext, Loader, LoadOutcome } from './async-options'
export { asyncValue } from './async-value'
export { type Component, type ComponentOptions, component } from './component'
export type { Reason } from './connection'
export type { Durability } from './db'
export type { Guard, TopicOptions } from './declarations'
export { all } from './door'
export type { Blocks, Change, Format } from './format'
export type { ConnectionDetails } from './hooks'
export { type Html, text } from './html'
export { Hub } from './hub'
export type { Level } from './level'
export type { Limits } from './limits'
export { type Line, LogLines, type LogLinesOptions, logLines } from './lines'
export type { Keep, Kind } from './log'
export { MultiStreamManager } from './manager'
export type { Middleware, Publication } from './middleware'
export type {
  AddressOptions,
  Broadcast,
  History,
  HistoryItem,
  HistoryOptions,
  HubOptions,
  PublishOptions,
  RevokeOptions,
  Stats,
} from './options'
export { type Items, Queue, type Source, type SourceContext } from './source'
export type { ElementOptions, ManagerOptions, RenderContext, StreamOptions } from './stream'
export { idSelector, type Patch, swap } from './swap'
export {
  type PipeOptions,
  type TextContent,
  type TextOptions,
  TextStream,
  textStream,
} from './text'
export type { Piped } from './text-pipe'
export type { TextSource } from './text-source'
export type { TextMode, TextState } from './text-wire'
export { topic } from './topic'
export type { EventId } from './wire'
