import { Queue, Worker } from 'bullmq'
import { Cron } from 'croner'
import { Redis } from 'ioredis'
import type { OpenSide } from '../harness/side.ts'
import { now, reporter } from './report.ts'

/** Timers of `croner` in one process: a tick that nobody sees is gone. */
export const timers: OpenSide = async ({ folder, expression = '', count = '' }) => {
  const report = reporter(folder)
  const jobs = Array.from(
    { length: Number(count) },
    () => new Cron(expression, { timezone: 'UTC' }, () => report({ sent: now() })),
  )
  return {
    async close() {
      for (const job of jobs) job.stop()
    },
  }
}

/** As many job schedulers of one queue, and its stock worker. */
export const jobSchedulers: OpenSide = async ({ redisUrl, folder, expression = '', count = '' }) => {
  const report = reporter(folder)
  const connection = new Redis(redisUrl, { maxRetriesPerRequest: null })
  const name = `cron-${process.pid}`
  const defaultJobOptions = { removeOnComplete: true, removeOnFail: true }
  const queue = new Queue(name, { connection, defaultJobOptions })
  const worker = new Worker(name, async () => report({ sent: now() }), { connection, concurrency: 50 })
  await worker.waitUntilReady()
  for (let n = 0; n < Number(count); n++) {
    await queue.upsertJobScheduler(`s${n}`, { pattern: expression, tz: 'UTC' }, { name: 'tick' })
  }
  return {
    async close() {
      await worker.close()
      await queue.close()
      await connection.quit()
    },
  }
}
