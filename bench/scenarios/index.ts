import type { Scenario } from '../scenario'
import { browser } from './browser'
import { browserCells } from './browser-cells'
import { components } from './components'
import { connects } from './connects'
import { entities } from './entities'
import { idle } from './idle'
import { logLines } from './log-lines'
import { openLoop } from './open-loop'
import { overload } from './overload'
import { publish } from './publish'
import { replay } from './replay'
import { slowEvents } from './slow-events'
import { state } from './state'
import { stuck } from './stuck'
import { textChats } from './text-chats'
import { textPage } from './text-page'
import { turns } from './turns'

/** In the order of the table. */
export const scenarios: readonly Scenario[] = [
  openLoop,
  turns,
  slowEvents,
  entities,
  idle,
  connects,
  stuck,
  replay,
  publish,
  state,
  overload,
  components,
  browser,
  browserCells,
  textPage,
  textChats,
  logLines,
]
