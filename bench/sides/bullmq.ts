import { Queue, QueueEvents, Worker } from 'bullmq'
import { fastify } from 'fastify'
import { Redis } from 'ioredis'
import type { OpenSide } from '../harness/side.ts'

/** What people would write by hand: one queue, one stock worker, in one process; nothing is kept. */
export const addAndWorker: OpenSide = async ({ redisUrl }) => {
  const connection = new Redis(redisUrl, { maxRetriesPerRequest: null })
  const name = `bare-${process.pid}`
  const queue = new Queue(name, {
    connection,
    defaultJobOptions: { removeOnComplete: true, removeOnFail: true },
  })
  const waiting = new Map<string, () => void>()
  const worker = new Worker(name, async () => null, { connection, concurrency: 50 })
  worker.on('completed', ({ id = '' }) => {
    waiting.get(id)?.()
    waiting.delete(id)
  })
  await worker.waitUntilReady()
  let count = 0
  return {
    async once(bytes) {
      const jobId = `job-${count++}`
      const completed = new Promise<void>((resolve) => waiting.set(jobId, resolve))
      await queue.add('no-op', { text: 'x'.repeat(bytes - 12) }, { jobId })
      await completed
    },
    async close() {
      await worker.close()
      await queue.close()
      await connection.quit()
    },
  }
}

/** Behind Fastify: 202 when the job is added, or the result by `waitUntilFinished`. */
export const fastifyServer: OpenSide = async ({ redisUrl }) => {
  const connection = new Redis(redisUrl, { maxRetriesPerRequest: null })
  const name = `http-${process.pid}`
  const queue = new Queue(name, {
    connection,
    defaultJobOptions: { removeOnComplete: { count: 1_000 }, removeOnFail: true },
  })
  // Each job that is waited for listens to its closing.
  queue.setMaxListeners(0)
  const worker = new Worker(name, async ({ data }) => data as unknown, { connection, concurrency: 50 })
  const events = new QueueEvents(name, { connection: new Redis(redisUrl, { maxRetriesPerRequest: null }) })
  await Promise.all([worker.waitUntilReady(), events.waitUntilReady()])
  const app = fastify()
  app.post('/accept', async (request, reply) => {
    const { id } = await queue.add('request', request.body)
    return reply.code(202).send({ id })
  })
  app.post('/wait', async (request) => {
    const job = await queue.add('request', request.body)
    return (await job.waitUntilFinished(events, 5_000)) as unknown
  })
  return {
    info: await app.listen({ port: 0, host: '127.0.0.1' }),
    async close() {
      await app.close()
      await worker.close()
      await events.close()
      await queue.close()
      await connection.quit()
    },
  }
}
