export type { TopicOptions } from './declarations'
export { type Html, text } from './html'
export { Hub } from './hub'
export type { Limits } from './limits'
export { MultiStreamManager } from './manager'
export type {
  AddressOptions,
  HistoryItem,
  HubOptions,
  PublishOptions,
  Stats,
} from './options'
export { type Items, Queue, type Source, type SourceContext } from './source'
export type { ElementOptions, ManagerOptions, RenderContext, StreamOptions } from './stream'
export { idSelector, type Patch, swap } from './swap'
export { topic } from './topic'
export type { EventId } from './wire'
