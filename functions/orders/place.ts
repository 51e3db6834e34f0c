import { defineFunction, http, queue } from 'tappet'
import { NewOrder } from './order.ts'

/** Takes an order over HTTP or from the partners' queue; both carry the same body. */
export default defineFunction(
  {
    on: [http.post('/orders', { body: NewOrder, wait: '5s' }), queue('orders', { data: NewOrder })],
    idempotencyKey: (event) => event.data.id,
  },
  async ({ data: { id, email, total }, type }, ctx) => {
    await ctx.db.query(
      'insert into orders (id, email, total) values ($1, $2, $3) on conflict (id) do nothing',
      [id, email, total],
    )
    ctx.log.info({ order: id, via: type }, 'order placed')
    return { id, status: 'placed' }
  },
)
