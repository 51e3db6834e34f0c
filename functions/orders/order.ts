import * as z from 'zod'

/** What a customer sends. */
export const NewOrder = z.object({
  id: z.uuid(),
  email: z.email(),
  total: z.number().positive().max(1_000_000),
})

/** A row of the table `orders`. */
export const Order = NewOrder.extend({
  status: z.enum(['placed', 'paid', 'refunded']),
  created_at: z.string(),
})
