import assert from 'node:assert/strict'
import { after, before, beforeEach, describe, it } from 'node:test'
import pg from 'pg'
import { newId } from '../../src/lib/id.ts'
import { once } from '../../src/runtime/handler/once.ts'
import { migrate } from '../../src/store/migrate.ts'
import { testDatabase } from '../support/services.ts'

describe('ctx.once', () => {
  let database: Awaited<ReturnType<typeof testDatabase>>
  let pool: pg.Pool
  let run: string
  before(async () => {
    database = await testDatabase()
    pool = new pg.Pool({ connectionString: database.url })
    const client = await pool.connect()
    await migrate(client, 'outbox')
    await client.query('create table payments (run text, cents int)')
    client.release()
  })
  beforeEach(() => {
    run = newId('run')
  })
  after(async () => {
    await pool.end()
    await database.drop()
  })

  async function within<T>(work: (client: pg.PoolClient) => Promise<T>, end = 'commit'): Promise<T> {
    const client = await pool.connect()
    try {
      await client.query('begin')
      const result = await work(client)
      await client.query(end)
      return result
    } catch (error) {
      await client.query('rollback')
      throw error
    } finally {
      client.release()
    }
  }

  const pay = (end?: string, name?: string): Promise<boolean> =>
    within(async (client) => {
      const first = await once(client, run, name)
      if (first) await client.query('insert into payments values ($1, 1)', [run])
      return first
    }, end)
  const paid = async (): Promise<number | null> =>
    (await pool.query('select from payments where run = $1', [run])).rowCount

  it('G4: is true for the first transaction that commits, and false from then on', async () => {
    assert.equal(await pay('rollback'), true)
    assert.equal(await pay(), true)
    assert.equal(await pay(), false)
    assert.equal(await paid(), 1)
  })

  it('G4: of many at once, one does it', async () => {
    const firsts = await Promise.all(Array.from({ length: 10 }, () => pay()))
    assert.equal(firsts.filter(Boolean).length, 1)
    assert.equal(await paid(), 1)
  })

  it('tells effects of one run apart by their names', async () => {
    assert.deepEqual(
      [await pay('commit', 'a'), await pay('commit', 'b'), await pay('commit', 'a')],
      [...[true, true, false]],
    )
  })

  it('refuses what would record without the effect: a pool, and a statement by itself', async () => {
    await assert.rejects(once(pool, run), { name: 'TypeError', message: /got a pool/ })
    await assert.rejects(once(undefined as never, run), { name: 'TypeError' })
    const client = await pool.connect()
    const outside = once(client, run).finally(() => client.release())
    await assert.rejects(outside, { name: 'TypeError', message: /between BEGIN and COMMIT/ })
    assert.equal(await pay(), true)
  })

  it('refuses names that are none, and what is no run', async () => {
    const refused = (id: string, name: unknown): Promise<void> =>
      assert.rejects(
        within((client) => once(client, id, name as string)),
        /at most 200|id of a run/,
      )
    await refused(run, 'x'.repeat(201))
    await refused(run, 7)
    await refused('no run', '')
  })

  it('says what a database lacks', async () => {
    const other = await testDatabase()
    const client = new pg.Client(other.url)
    await client.connect()
    await client.query('begin')
    await assert.rejects(once(client, run), { code: 'TPT_CONFIG_INVALID', message: /tappet migrate/ })
    await client.end()
    await other.drop()
  })
})
