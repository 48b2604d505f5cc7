/** Headwater on plain `Bun.serve`. */
import { benchHub } from '../serving/bench-hub'
import { listen } from '../serving/listen'
import { serve } from '../serving/serve'

const { hub, ...candidate } = benchHub()
serve({ ...candidate, port: listen((request, server) => hub.fetch(request, { server })) })
