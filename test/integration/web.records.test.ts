import assert from 'node:assert/strict'
import { beforeEach, describe, test } from 'node:test'
import { TappetError } from '../../src/errors.ts'
import { newId } from '../../src/lib/id.ts'
import type { LoadedFunction } from '../../src/runtime/runtime.ts'
import { createMemoryStore } from '../../src/store/memory/store.ts'
import type { Store } from '../../src/store/store.ts'
import type { HttpTrigger } from '../../src/triggers/http/declare.ts'
import type { HttpEvent } from '../../src/triggers/http/event.ts'
import type { Subscription } from '../../src/triggers/trigger.ts'
import { createPauses } from '../../src/worker/pauses.ts'
import { createRecords, type Records, type WebRecord } from '../../src/worker/web-records.ts'
import { eventually } from '../support/eventually.ts'
import { recordingLogger } from '../support/recording-logger.ts'
import { messageOf } from '../support/runtime.ts'

const fn = { id: 'page', version: 'v1' } as LoadedFunction
const away = new TappetError('TPT_UNAVAILABLE', 'the ledger does not answer')

function recordOf(more: Partial<WebRecord> = {}): WebRecord {
  const subscription = { functionId: 'page', index: 0 } as Subscription<HttpTrigger>
  const event = messageOf(null, { type: 'http.request', source: '/http/ANY/page' }) as HttpEvent
  return {
    ...{ fn, served: { subscription, runId: newId('run'), event } },
    ...{ outcome: { kind: 'completed', result: { status: 200 } }, durationMs: 12, meter: null },
    ...more,
  }
}

describe('what was answered, on its way to the ledger', () => {
  let store: Store
  let down: ReadonlySet<string>
  let records: Records
  let lines: readonly string[]
  /** A ledger of which some calls fail before they are made, and some when they have been. */
  const failing = (real: Store): Store =>
    new Proxy(real, {
      get: (target, name: keyof Store) => {
        const call = (target[name] as (...args: unknown[]) => Promise<unknown>).bind(target)
        return async (...args: unknown[]) => {
          if (down.has(name)) throw away
          const result = await call(...args)
          if (!down.has(`${name}'s answer`)) return result
          down = new Set()
          throw away
        }
      },
    })
  beforeEach(() => {
    down = new Set()
    store = createMemoryStore()
    const log = recordingLogger()
    lines = log.lines
    const beAlive = async (): Promise<void> => undefined
    records = createRecords({ store: failing(store), logger: log.logger, workerId: 'wrk_1', beAlive })
  })
  const stateOf = async ({ served }: WebRecord): Promise<string | undefined> =>
    (await store.run(served.runId))?.state

  for (const call of ['accept', 'finish', "accept's answer", "finish's answer"])
    test(`waits for the ledger: ${call}`, async () => {
      down = new Set([call])
      const record = recordOf()
      records.add(record)
      await eventually(() => lines.some((line) => line.includes('waiting to write')), 'it says so')
      down = new Set()
      await eventually(async () => (await stateOf(record)) === 'completed', 'it is written down')
    })

  test('is cancelled when its function was paused meanwhile', async () => {
    await store.pause('page', 'somebody')
    const record = recordOf()
    records.add(record)
    await eventually(async () => (await stateOf(record)) === 'cancelled', 'it is cancelled')
  })

  test('is no more than a thousand', async () => {
    down = new Set(['accept'])
    for (let more = 0; more < 1_000; more++) {
      assert.equal(records.isFull(), false)
      records.add(recordOf())
    }
    assert.equal(records.isFull(), true)
    down = new Set()
    await records.stop()
    assert.equal((await store.runs({ state: 'completed', limit: 500 })).length, 500)
  })

  test('is given up at the end, and told', async () => {
    down = new Set(['accept'])
    records.add(recordOf())
    await records.stop()
    assert.ok(lines.some((line) => line.includes('could not be written down')))
  })
})

test('what is paused is looked up again after a second, and what was known counts while nobody answers', async () => {
  const store = createMemoryStore()
  let asked = 0
  let isDown = false
  const pauses = createPauses({
    paused: () => {
      asked++
      return isDown ? Promise.reject(away) : store.paused()
    },
  })
  await store.pause('a', 'somebody')
  assert.deepEqual([await pauses.has('a'), await pauses.has('b'), asked], [true, false, 1])
  isDown = true
  await eventually(async () => {
    assert.equal(await pauses.has('a'), true)
    return asked > 1
  }, 'it has been looked up again')
})
