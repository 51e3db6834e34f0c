import { defineFunction, queue } from '../../src/index.ts'
import { act, type Wish } from './runtime-calls.ts'

/** Apart from those in no sandbox: what one file says of it goes for all that is in it. */

export const alone = defineFunction({ on: queue('alone'), isolation: 'sandbox' }, ({ data }) =>
  act(data as Wish),
)

export const linked = defineFunction(
  { on: queue('linked'), isolation: 'sandbox', network: true },
  ({ data }) => act(data as Wish),
)
