import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import type { Queue } from '../../src/queue/queue.ts'
import { eventually } from '../support/eventually.ts'
import { aJob, handling } from './queue.ts'

export interface RecoveryOptions {
  readonly engine: 'redis' | 'postgres'
  readonly url: string
  /** Redis' key prefix or Postgres' schema. */
  readonly namespace: string
}

/** What the ledger's promise of 15 s rests on. */
export function recoversFromKilledWorkers(make: () => Promise<Queue>, options: () => RecoveryOptions): void {
  test('G6: a job whose process was killed is handed out to another within 15 s', async () => {
    const queue = await make()
    const job = aJob()
    const { engine, url, namespace } = options()
    const script = fileURLToPath(new URL('../support/queue-worker.ts', import.meta.url))
    const args = ['--import', 'tsx', script, engine, url, namespace, job.functionId]
    const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] })
    const ended = once(child, 'exit')
    try {
      const got = once(createInterface(child.stdout), 'line')
      await queue.add([job])
      assert.deepEqual(await got, [job.runId])
      const { handled } = await handling(queue, job.functionId)
      const killedMs = performance.now()
      child.kill('SIGKILL')
      await ended
      await eventually(() => handled.length > 0, 'the job of the killed process', 20_000)
      const ms = performance.now() - killedMs
      assert.ok(ms < 15_000, `took ${ms} ms`)
      assert.deepEqual(handled, [job])
      await eventually(async () => (await queue.missing([job])).length === 1, 'the job to be gone')
    } finally {
      child.kill('SIGKILL')
      await ended
      await queue.close()
    }
  })
}
