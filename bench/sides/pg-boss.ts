import type { OpenSide } from '../harness/side.ts'
import { loadPeer } from '../peers/load.ts'

interface Boss {
  on(event: 'error', listener: (error: Error) => void): void
  start(): Promise<unknown>
  createQueue(name: string): Promise<void>
  send(name: string, data: unknown): Promise<string | null>
  work(
    name: string,
    options: { readonly pollingIntervalSeconds: number; readonly batchSize: number },
    handler: (
      jobs: readonly { readonly id: string; readonly data: { readonly key: string } }[],
    ) => Promise<void>,
  ): Promise<string>
  notifyWorker(id: string): void
  stop(options: { readonly graceful: boolean }): Promise<void>
}

/**
 * `send` and a worker in one process. It polls every half second, its least; here it is woken after each `send` by
 * `notifyWorker`, which only the process of the worker can do. Completed is when the handler has returned: it tells
 * nothing later.
 */
export const sendAndWork: OpenSide = async ({ databaseUrl }) => {
  const { default: PgBoss } = await loadPeer<{
    default: new (options: { readonly connectionString: string; readonly max: number }) => Boss
  }>('pg-boss')
  const boss = new PgBoss({ connectionString: databaseUrl, max: 20 })
  boss.on('error', (error) => console.error(error.message))
  await boss.start()
  await boss.createQueue('no-op')
  const waiting = new Map<string, () => void>()
  const worker = await boss.work('no-op', { pollingIntervalSeconds: 0.5, batchSize: 50 }, async (jobs) => {
    setImmediate(() => {
      for (const { data } of jobs) {
        waiting.get(data.key)?.()
        waiting.delete(data.key)
      }
    })
  })
  let count = 0
  return {
    async once(bytes) {
      const key = String(count++)
      const completed = new Promise<void>((resolve) => waiting.set(key, resolve))
      await boss.send('no-op', { key, text: 'x'.repeat(bytes - 24) })
      boss.notifyWorker(worker)
      await completed
    },
    close: () => boss.stop({ graceful: false }),
  }
}
