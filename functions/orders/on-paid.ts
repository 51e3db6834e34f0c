import { defineFunction, postgres } from 'tappet'
import { receipts } from '../mail/receipts.ts'
import { Order } from './order.ts'

/** Sends a second receipt when an order's status turns to paid. */
export default defineFunction(
  {
    on: postgres.table('orders', { row: Order }).onUpdate({ of: ['status'] }),
    retry: { attempts: 8, delay: '2s', maxDelay: '10m' },
  },
  async ({ change: { before, after } }, ctx) => {
    if (before.status === after.status || after.status !== 'paid') return
    const receipt = { orderId: after.id, to: after.email, total: after.total, status: after.status }
    await ctx.send(receipts, receipt, { key: `${after.id}/paid` })
  },
)
