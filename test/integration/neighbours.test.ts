import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { test } from 'node:test'
import { silentLogger } from '../../src/lib/log.ts'
import { ownIdentity } from '../../src/lib/own-process.ts'
import { createMemoryQueue } from '../../src/queue/memory.ts'
import { createMemoryStore } from '../../src/store/memory/store.ts'
import { createDispatcher } from '../../src/worker/dispatcher.ts'
import { eventually } from '../support/eventually.ts'
import { makeEvent, makeRun } from '../support/make.ts'

const own = ownIdentity()
const skip = own === null ? 'the kernel does not tell' : false

test(
  'G4: a worker of this machine that is gone is not waited for, one that only is silent is',
  { skip },
  async () => {
    const child = spawn('sleep', ['60'])
    const pid = child.pid ?? 0
    child.kill('SIGKILL')
    await once(child, 'exit')
    const store = createMemoryStore()
    const info = { host: 'here', machine: own?.machine ?? '' }
    await store.heartbeat({ ...info, id: 'wrk_gone', pid, birth: '1' }, [])
    await store.heartbeat({ ...info, id: 'wrk_silent', pid: process.pid, birth: own?.birth ?? '' }, [])
    const runs: string[] = []
    for (const worker of ['wrk_gone', 'wrk_silent']) {
      const { jobs } = await store.accept(makeEvent({ runs: [makeRun()] }))
      const [job = assert.fail()] = jobs
      assert.ok(await store.claim(job, worker))
      runs.push(job.runId)
    }
    const queue = createMemoryQueue()
    const times = { silentMs: 3_600_000, neighbourSilentMs: 0, sweepMs: 5 }
    const dispatcher = createDispatcher({ store, queue, logger: silentLogger, ...times })
    dispatcher.start()
    try {
      await eventually(async () => (await store.run(runs[0] ?? ''))?.losses === 1, 'it is taken over')
      assert.equal((await store.run(runs[1] ?? ''))?.state, 'running')
    } finally {
      await dispatcher.stop()
      await queue.close()
      await store.close()
    }
  },
)
