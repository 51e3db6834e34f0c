import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import pg from 'pg'
import type { TappetError } from '../../src/errors.ts'
import { silentLogger } from '../../src/lib/log.ts'
import { migrate, pendingMigrations } from '../../src/store/migrate.ts'
import { createPool } from '../../src/store/postgres/pool.ts'
import { createPostgresStore } from '../../src/store/postgres/store.ts'
import type { Job } from '../../src/queue/queue.ts'
import { mayMove, RUN_STATES } from '../../src/store/run-state.ts'
import type { Claim } from '../../src/store/store.ts'
import { conformsToStore } from '../conformance/store.ts'
import { makeEnvelope, makeEvent } from '../support/make.ts'
import { testDatabase } from '../support/services.ts'

describe('the Postgres store', () => {
  let database: Awaited<ReturnType<typeof testDatabase>>
  let client: pg.Client

  before(async () => {
    database = await testDatabase()
    client = new pg.Client(database.url)
    await client.connect()
    await migrate(client, 'ledger')
  })
  after(async () => {
    await client.end()
    await database.drop()
  })

  const TABLES = 'events, event_aliases, runs, attempts, logs, workers, schedules, files, paused, usage'

  const makeStore = async () => {
    await client.query(
      `truncate ${TABLES.split(', ')
        .map((table) => `tappet.${table}`)
        .join(', ')}`,
    )
    return createPostgresStore(createPool({ url: database.url, logger: silentLogger }))
  }

  conformsToStore('the Postgres store', makeStore)

  describe('the ledger in Postgres', () => {
    it('migrates once, and knows what is pending', async () => {
      assert.deepEqual(await pendingMigrations(client, 'ledger'), [])
      assert.deepEqual((await migrate(client, 'ledger')).applied, [])
    })

    it('keeps the sums of days that are over when their attempts are retired, and sums up each day once', async () => {
      const store = await makeStore()
      const ended = async (ago: string, durationMs: number): Promise<void> => {
        const { jobs } = await store.accept(makeEvent())
        const claim = (await store.claim(jobs[0] as Job, 'wrk_a')) as Claim
        const { runId, functionId, lease, attempt, order } = claim
        const measured = { cpuMs: 1, peakKb: 1, cold: true, bytesIn: 1, bytesOut: 1, memoryMb: 512 }
        await store.finish({
          ...{ runId, functionId, lease, attempt, order, version: 'v', durationMs },
          outcome: { kind: 'completed', result: null },
          meter: { durationMs, ...measured },
        })
        const past = `(date_trunc('day', now() at time zone 'UTC') at time zone 'UTC') - interval '${ago}'`
        await client.query(`update tappet.attempts set finished_at = ${past} where run = $1`, [runId])
        await client.query(`update tappet.runs set finished_at = ${past} where id = $1`, [runId])
        await client.query(
          `update tappet.events set received_at = ${past} where id = (select event from tappet.runs where id = $1)`,
          [runId],
        )
      }
      await ended('1 ms', 10)
      await ended('1 day', 20)
      await ended('20 days', 30)
      await ended('-1 ms', 40)
      const before = await store.usage(30)
      assert.deepEqual(
        before.map(({ billedMs }) => billedMs),
        [40, 30, 30],
      )
      assert.equal(await store.sumUsage(), 2)
      assert.deepEqual(await store.usage(30), before, 'the same, from the sums')
      assert.equal(await store.retire({ runsMs: 86_400_000 * 5, deadMs: 86_400_000 * 30 }), 1)
      assert.equal(await store.sumUsage(), 0)
      assert.deepEqual(await store.usage(30), before)
      assert.deepEqual(
        (await store.usage(1)).map(({ billedMs }) => billedMs),
        [40],
      )
      await store.close()
    })

    it('refuses exactly the moves that the table of states refuses', async () => {
      const store = await makeStore()
      const { runIds } = await store.accept(makeEvent())
      const move = async (from: string, to: string): Promise<boolean> => {
        await client.query('begin')
        try {
          await client.query('alter table tappet.runs disable trigger refuse_run_move')
          await client.query('update tappet.runs set state = $2 where id = $1', [runIds[0], from])
          await client.query('alter table tappet.runs enable trigger refuse_run_move')
          await client.query('update tappet.runs set state = $2 where id = $1', [runIds[0], to])
          return true
        } catch (error) {
          assert.match(String(error), /may not move/)
          return false
        } finally {
          await client.query('rollback')
        }
      }
      for (const from of RUN_STATES) {
        for (const to of RUN_STATES) {
          assert.equal(await move(from, to), from === to || mayMove(from, to), `${from} to ${to}`)
        }
      }
      await store.close()
    })

    it('refuses an illegal move, whoever makes it', async () => {
      const store = await makeStore()
      const { runIds } = await store.accept(makeEvent())
      const move = client.query(`update tappet.runs set state = 'completed' where id = $1`, [runIds[0]])
      await assert.rejects(move, /may not move from accepted to completed/)
      await store.close()
    })

    it('stores concurrent events in far fewer transactions than events', async () => {
      const store = await makeStore()
      const transactions = async (): Promise<number> => {
        await client.query('select pg_stat_clear_snapshot()')
        const { rows } = await client.query<{ xid: string }>('select pg_current_xact_id()::text as xid')
        return Number(rows[0]?.xid)
      }
      const before = await transactions()
      await Promise.all(Array.from({ length: 500 }, () => store.accept(makeEvent())))
      const used = (await transactions()) - before
      assert.ok(used < 50, `500 events took ${used} transactions`)
      await store.close()
    })

    it('lets a bad event of a batch fail alone', async () => {
      const store = await makeStore()
      const bad = makeEvent({
        envelope: makeEnvelope({ source: 'nul \u0000 is no text for Postgres' }),
      })
      const results = await Promise.allSettled([
        store.accept(makeEvent()),
        store.accept(bad),
        store.accept(makeEvent()),
      ])
      assert.deepEqual(
        results.map(({ status }) => status),
        ['fulfilled', 'rejected', 'fulfilled'],
      )
      await store.close()
    })

    it('lets an outcome that cannot be stored fail alone', async () => {
      const store = await makeStore()
      await store.heartbeat({ id: 'wrk_1', host: 'h', pid: 1 }, [])
      const claims = await Promise.all(
        [1, 2].map(async () => {
          const [job = assert.fail()] = (await store.accept(makeEvent())).jobs
          return (await store.claim(job, 'wrk_1')) ?? assert.fail()
        }),
      )
      const deep = JSON.parse('['.repeat(100_000) + ']'.repeat(100_000)) as unknown
      const finish = (
        { runId, functionId, lease, attempt, order }: Claim,
        result: unknown,
      ): Promise<boolean> =>
        store.finish({
          ...{ runId, functionId, lease, attempt, order, version: 'v', durationMs: 1 },
          outcome: { kind: 'completed', result },
        })
      const [bad, good] = await Promise.allSettled(
        claims.map((claim, i) => finish(claim, i === 0 ? deep : i)),
      )
      assert.ok(bad?.status === 'rejected')
      assert.equal((bad.reason as TappetError).code, 'TPT_RESULT_INVALID')
      assert.deepEqual(good, { status: 'fulfilled', value: true })
      await store.close()
    })

    it('says TPT_UNAVAILABLE when nobody listens', async () => {
      const store = createPostgresStore(
        createPool({ url: 'postgres://127.0.0.1:1/none', logger: silentLogger }),
      )
      await assert.rejects(store.accept(makeEvent()), { code: 'TPT_UNAVAILABLE' })
      await assert.rejects(store.ping(), { code: 'TPT_UNAVAILABLE' })
      await store.close()
    })
  })
})
