import { cron, defineFunction } from 'tappet'

/** Closes the books at 03:00 Berlin time, never twice for the same night. */
export default defineFunction(
  {
    on: cron('0 3 * * *', { timezone: 'Europe/Berlin', catchUp: 'latest' }),
    retry: { attempts: 3 },
    timeout: '15m',
    concurrency: 1,
  },
  async ({ data }, { db, log }) => {
    const { rows } = await db.query<{ orders: number; total: string }>(
      'select count(*)::int as orders, coalesce(sum(total), 0) as total from orders where created_at < $1 and created_at >= $2',
      [data.scheduledAt, data.previousAt ?? '-infinity'],
    )
    log.info({ ...rows[0], until: data.scheduledAt }, 'books closed')
    return rows[0]
  },
)
