import assert from 'node:assert/strict'
import { test } from 'node:test'
import { silentLogger } from '../../src/lib/log.ts'
import { createPool } from '../../src/store/postgres/pool.ts'
import { testDatabase } from '../support/services.ts'

test('a connection that is ended while somebody holds it fails the next query, and nothing else', async () => {
  const database = await testDatabase()
  const pool = createPool({ url: database.url, logger: silentLogger })
  try {
    const held = await pool.connect()
    const { rows } = await held.query<{ pid: number }>('select pg_backend_pid() as pid')
    const gone = new Promise((resolve) => held.once('end', resolve))
    await pool.query('select pg_terminate_backend($1)', [rows[0]?.pid])
    await gone
    await assert.rejects(held.query('select 1'))
    held.release(true)
    assert.equal((await pool.query('select 1 as one')).rows.length, 1)
  } finally {
    await pool.end()
    await database.drop()
  }
})
