import { queue } from 'tappet'
import * as z from 'zod'

/** The queue of receipts to be mailed: what is sent to it, and what its function gets. */
export const receipts = queue('receipts', {
  data: z.object({ orderId: z.uuid(), to: z.email(), total: z.number(), status: z.string() }),
})
