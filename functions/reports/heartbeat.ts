import { cron, defineFunction } from 'tappet'

/** Shows that the clock runs. */
export default defineFunction({ on: cron('*/10 * * * * *'), retry: false }, ({ data }, { log }) => {
  const lateMs = Date.now() - Date.parse(data.scheduledAt)
  log.info({ lateMs }, 'tick')
  return { lateMs }
})
