/** Headwater as a plugin of Elysia. */
import { Elysia } from 'elysia'
import { headwater } from 'headwater/elysia'
import { benchHub } from '../serving/bench-hub'
import { serve } from '../serving/serve'

const { hub, ...candidate } = benchHub()
const app = new Elysia().use(headwater(hub)).listen({ hostname: '127.0.0.1', port: 0 })
serve({ ...candidate, port: app.server?.port as number })
