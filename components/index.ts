export { AsyncValue, type AsyncValueProps } from './async-value'
export { Connected, type ConnectedProps } from './connected'
export { ConnectionStatus, type ConnectionStatusProps } from './connection-status'
export { HeadwaterHead, type HeadwaterHeadProps } from './head'
export { LiveComponent, type LiveComponentProps } from './live-component'
export { LiveLog, type LiveLogProps, type LiveLogWords } from './live-log'
export { LogView, type LogViewProps } from './log-view'
export { type Cell, MultiStreamRow, type MultiStreamRowProps } from './multi-stream-row'
export {
  type Column,
  MultiStreamTable,
  type MultiStreamTableProps,
  type StaticColumn,
  type StreamColumn,
  type TableRowProps,
  tableRow,
} from './multi-stream-table'
export { ProgressBar, type ProgressBarProps } from './progress-bar'
export { Sparkline, type SparklineProps } from './sparkline'
export { StatusBadge, type StatusBadgeProps, type Tone, tones } from './status-badge'
export { type ShowOptions, StreamElement, type StreamElementProps } from './stream-element'
export type { ElementAttributes } from './tag'
export { TextStream, type TextStreamProps, type TextStreamWords } from './text-stream'
export { TopicElement, type TopicElementProps } from './topic-element'
