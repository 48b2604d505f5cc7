/** Publishes with everything on. */
import { benchHub } from '../serving/bench-hub'
import { writer } from './write'

const { hub } = benchHub()

writer((data) => Promise.all(data.map((each) => hub.publish('bench', each))))
