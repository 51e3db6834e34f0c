import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import pg from 'pg'
import { silentLogger } from '../../src/lib/log.ts'
import type { Job } from '../../src/queue/queue.ts'
import { migrate } from '../../src/store/migrate.ts'
import { createPool } from '../../src/store/postgres/pool.ts'
import { createPostgresStore } from '../../src/store/postgres/store.ts'
import type { Store } from '../../src/store/store.ts'
import { eventually } from '../support/eventually.ts'
import { makeEvent, makeRun } from '../support/make.ts'
import { type TestDatabase, testDatabase } from '../support/services.ts'

let database: TestDatabase
let stores: Store[]

before(async () => {
  database = await testDatabase()
  const client = new pg.Client(database.url)
  await client.connect()
  await migrate(client, 'ledger')
  await client.end()
  stores = [1, 2, 3].map(() =>
    createPostgresStore(createPool({ url: database.url, logger: silentLogger, max: 5 })),
  )
})
after(async () => {
  await Promise.all(stores.map((store) => store.close()))
  await database.drop()
})

interface Seen {
  /** By key: the ids in the order in which they started. */
  readonly started: Map<string, string[]>
  readonly overlaps: string[]
  ended: number
}

/** A worker on each store, which hands released runs to itself: what a dispatcher does. */
function startWorkers(keyOf: ReadonlyMap<string, string>): {
  seen: Seen
  work(store: Store, job: Job): void
} {
  const seen: Seen = { started: new Map(), overlaps: [], ended: 0 }
  const running = new Set<string>()
  const run = async (store: Store, job: Job): Promise<void> => {
    const claim = await store.claim(job, 'wrk_a')
    if (!claim) return
    const key = keyOf.get(claim.runId) ?? ''
    if (running.has(key)) seen.overlaps.push(key)
    running.add(key)
    seen.started.set(key, [...(seen.started.get(key) ?? []), claim.runId])
    await new Promise((resolve) => setImmediate(resolve))
    running.delete(key)
    const { runId, functionId, lease, attempt, order } = claim
    const outcome = { kind: 'completed', result: null } as const
    await store.finish({ runId, functionId, lease, attempt, order, outcome, version: 'v', durationMs: 1 })
    seen.ended++
  }
  const work = (store: Store, job: Job): void => void run(store, job)
  for (const store of stores) store.onReleased((jobs) => jobs.forEach((job) => work(store, job)))
  return { seen, work }
}

const [KEYS, CALLERS, EACH] = [10, 4, 30]

test('G5: three processes that accept and end runs of the same keys at once keep their order, and lose none', async () => {
  const keyOf = new Map<string, string>()
  const { seen, work } = startWorkers(keyOf)
  /** One after the other, by whichever process: each call begins when the one before has been acknowledged. */
  const call = async (key: string): Promise<string[]> => {
    const ids: string[] = []
    for (let i = 0; i < EACH; i++) {
      const store = stores[Math.floor(Math.random() * stores.length)] as Store
      const run = makeRun({ orderingKey: key })
      keyOf.set(run.id, key)
      const { jobs } = await store.accept(makeEvent({ runs: [run] }))
      ids.push(run.id)
      for (const job of jobs) work(store, job)
    }
    return ids
  }
  const calls = await Promise.all(
    Array.from({ length: KEYS * CALLERS }, async (_, i) => {
      const key = `k${i % KEYS}`
      return { key, ids: await call(key) }
    }),
  )
  await eventually(() => seen.ended === KEYS * CALLERS * EACH, 'all have run', 60_000)
  assert.deepEqual(seen.overlaps, [])
  for (const { key, ids } of calls) {
    const mine = new Set(ids)
    assert.deepEqual(
      (seen.started.get(key) ?? []).filter((id) => mine.has(id)),
      ids,
    )
  }
})

test('G5: Postgres refuses a second run of a key that may start, whoever makes it', async () => {
  const [store = assert.fail()] = stores
  await store.accept(makeEvent({ runs: [makeRun({ orderingKey: 'twice' })] }))
  const { runIds } = await store.accept(makeEvent({ runs: [makeRun({ orderingKey: 'twice' })] }))
  const client = new pg.Client(database.url)
  await client.connect()
  await assert.rejects(
    client.query('update tappet.runs set held = false where id = $1', runIds.slice()),
    /runs_head/,
  )
  await client.end()
})

test('G5: runs held behind one that somebody ended past us go on', async () => {
  const [store = assert.fail()] = stores
  const first = await store.accept(makeEvent({ runs: [makeRun({ orderingKey: 'stuck' })] }))
  const next = await store.accept(makeEvent({ runs: [makeRun({ orderingKey: 'stuck' })] }))
  assert.deepEqual(next.jobs, [])
  const client = new pg.Client(database.url)
  await client.connect()
  await client.query(`update tappet.runs set state = 'cancelled', finished_at = now() where id = $1`, [
    first.runIds[0],
  ])
  await client.end()
  const fresh = createPostgresStore(createPool({ url: database.url, logger: silentLogger, max: 5 }))
  const jobs: Job[] = []
  fresh.onReleased((released) => jobs.push(...released))
  await fresh.reclaim(60_000, 10)
  await fresh.close()
  assert.deepEqual(jobs, [{ runId: next.runIds[0], functionId: jobs[0]?.functionId, lease: 0 }])
})
