import { EventEmitter, once } from 'node:events'
import { Queue, Worker } from 'bullmq'
import { Redis } from 'ioredis'
import type { Side } from './side.ts'

/** What people would write by hand: one queue, one stock worker, in one process; nothing is kept. */
export async function bareBullmq(redisUrl: string): Promise<Side> {
  const connection = new Redis(redisUrl, { maxRetriesPerRequest: null })
  const name = `bare-${process.pid}`
  const queue = new Queue(name, {
    connection,
    defaultJobOptions: { removeOnComplete: true, removeOnFail: true },
  })
  const done = new EventEmitter().setMaxListeners(0)
  const worker = new Worker(name, async (job) => void setImmediate(() => done.emit(job.id ?? '')), {
    connection,
    concurrency: 50,
  })
  await worker.waitUntilReady()
  let count = 0
  const payload = { text: 'x'.repeat(88) }
  return {
    name: 'bare BullMQ on Redis',
    async once() {
      const jobId = `job-${count++}`
      const completed = once(done, jobId)
      await queue.add('no-op', payload, { jobId })
      await completed
    },
    async close() {
      await worker.close()
      await queue.obliterate({ force: true })
      await queue.close()
      await connection.quit()
    },
  }
}
