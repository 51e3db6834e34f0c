import { defineFunction, postgres } from 'tappet'
import { receipts } from '../mail/receipts.ts'
import { Order } from './order.ts'

/** Every new order gets a receipt, whoever inserted the row. */
export default defineFunction(
  { on: postgres.table('orders', { row: Order }).onInsert() },
  async ({ data: order }, ctx) => {
    const receipt = { orderId: order.id, to: order.email, total: order.total, status: order.status }
    await ctx.send(receipts, receipt, { key: `${order.id}/placed` })
  },
)
