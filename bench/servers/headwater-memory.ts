/** Headwater with its log in memory; the registry's rows are in the file. */
import { memoryLog } from 'headwater/log'
import { benchHub } from '../serving/bench-hub'
import { listen } from '../serving/listen'
import { serve } from '../serving/serve'

const { hub, ...candidate } = benchHub({ log: memoryLog() })
serve({ ...candidate, port: listen((request, server) => hub.fetch(request, { server })) })
