import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { after, before, describe, test } from 'node:test'
import fc from 'fast-check'
import type pg from 'pg'
import { silentLogger } from '../../src/lib/log.ts'
import type { OutboxRow } from '../../src/outbox/outbox.ts'
import { createPostgresOutbox } from '../../src/outbox/postgres.ts'
import { eventually } from '../support/eventually.ts'
import { connectClient } from '../support/outbox.ts'
import { propertyRuns } from '../support/property.ts'
import { type TestDatabase, testDatabase } from '../support/services.ts'

/** What one of three writers does next. */
type Step = { readonly writer: number; readonly act: 'send' | 'commit' | 'rollback' | 'terminate' }

const WRITERS = 3
const step: fc.Arbitrary<Step> = fc.record({
  writer: fc.nat(WRITERS - 1),
  act: fc.constantFrom('send', 'send', 'send', 'send', 'commit', 'commit', 'rollback', 'terminate'),
})
/** Which of the first deliveries fail: few, because the drainer waits twice as long after each. */
const failures = fc.array(fc.boolean(), { maxLength: 4 })

describe('draining the outbox', () => {
  let database: TestDatabase
  let boss: pg.Client
  let writers: pg.Client[]

  before(async () => {
    database = await testDatabase()
    boss = await connectClient(database.url, { outbox: true })
    writers = await Promise.all(Array.from({ length: WRITERS }, () => connectClient(database.url)))
  })
  after(async () => {
    await Promise.all([boss, ...writers].map((client) => client.end()))
    await database.drop()
  })

  /** Runs the steps of one history; answers what was committed, in the order of each writer. */
  async function write(steps: readonly Step[]): Promise<string[][]> {
    const open: string[][] = writers.map(() => [])
    const committed: string[][] = writers.map(() => [])
    for (const { writer, act } of [
      ...steps,
      ...writers.map((_, n) => ({ writer: n, act: 'commit' as const })),
    ]) {
      const client = writers[writer] as pg.Client
      const mine = open[writer] as string[]
      if (act === 'send') {
        if (mine.length === 0) await client.query('begin')
        const id = randomUUID()
        await client.query(`select tappet.send('q', $1::json)`, [JSON.stringify({ id })])
        mine.push(id)
      } else if (act === 'terminate') {
        // Of the drainer and its listener; they connect again.
        await boss.query(
          `select pg_terminate_backend(pid) from pg_stat_activity
            where datname = current_database() and application_name like 'tappet %'`,
        )
      } else if (mine.length > 0) {
        await client.query(act)
        if (act === 'commit') committed[writer]?.push(...mine)
        open[writer] = []
      }
    }
    return committed
  }

  test('G1: delivers what was committed, in order, and nothing that was rolled back', async () => {
    const history = fc.asyncProperty(fc.array(step, { maxLength: 30 }), failures, async (steps, fail) => {
      // What a history that failed has left would be taken for its own by the next.
      await boss.query('truncate tappet.outbox')
      const delivered: string[] = []
      let turn = 0
      const deliver = async (rows: readonly OutboxRow[]): Promise<void> => {
        if (fail[turn++]) throw new Error('not now')
        delivered.push(...rows.map((row) => (row.kind === 'message' ? (row.data as { id: string }).id : '')))
      }
      const options = {
        url: database.url,
        database: null,
        project: 'default',
        logger: silentLogger,
        pollMs: 50,
      }
      const outbox = createPostgresOutbox(options)
      outbox.take('message', deliver)
      await outbox.start()
      try {
        const committed = await write(steps)
        const wanted = new Set(committed.flat())
        await eventually(async () => {
          const seen = new Set(delivered)
          return [...wanted].every((id) => seen.has(id)) && (await outbox.depth()).rows === 0
        }, 'every committed message is delivered')
        assert.deepEqual(new Set(delivered), wanted)
        for (const own of committed) {
          const firsts = [...new Set(delivered)].filter((id) => own.includes(id))
          assert.deepEqual(firsts, own)
        }
      } finally {
        await outbox.stop()
      }
    })
    await fc.assert(history, propertyRuns(0.1))
  })
})
