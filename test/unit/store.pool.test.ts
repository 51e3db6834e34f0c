import assert from 'node:assert/strict'
import { connect } from 'node:net'
import { test } from 'node:test'
import { explain, type TappetError } from '../../src/errors.ts'
import { isBadValue, isUnavailable, toStoreError } from '../../src/store/postgres/pool.ts'

const coded = (code: string): Error => Object.assign(new Error('no'), { code })

test('what the network or the server cannot help is unavailable: nobody loses an attempt or an event by it', async () => {
  const refused = await new Promise((resolve) => connect(1, '127.0.0.1').once('error', resolve))
  const codes = ['EHOSTUNREACH', 'ENETUNREACH', 'ENETDOWN', 'ECONNRESET', 'ETIMEDOUT', 'ECONNABORTED']
  const errors = [
    refused,
    // A name with two addresses, neither of which answers.
    Object.assign(new AggregateError([refused, refused]), { code: 'ECONNREFUSED' }),
    ...codes.map((code) => coded(code)),
    ...['ENOTFOUND', 'EAI_AGAIN'].map((code) => coded(code)),
    // admin shutdown, too many connections, disk full, deadlock, serialization, read-only, I/O, internal
    ...[
      '57P01',
      '53300',
      '53100',
      '40P01',
      '40001',
      '25006',
      '58030',
      'XX000',
      '08006',
      '28P01',
      '3D000',
      '55000',
    ].map(coded),
    new Error('Connection terminated unexpectedly'),
    new Error('timeout exceeded when trying to connect'),
  ]
  for (const error of errors) {
    assert.equal(isUnavailable(error), true, String(error))
    assert.equal(isBadValue(error), false, String(error))
  }
})

test('what a statement or its values are to blame for is not', () => {
  for (const code of ['22P05', '23505', '54000', '42P01', '42601'])
    assert.equal(isUnavailable(coded(code)), false, code)
  for (const code of ['22P05', '23505', '54000']) assert.equal(isBadValue(coded(code)), true, code)
  assert.equal(isUnavailable(coded('ERR_INVALID_ARG_TYPE')), false)
  assert.equal(isUnavailable(new TypeError('x is not a function')), false)
})

test('and strangers are not told what the driver said, but the log is', () => {
  const error = toStoreError(coded('ECONNREFUSED'))
  assert.equal((error as TappetError).code, 'TPT_UNAVAILABLE')
  assert.equal((error as TappetError).message, 'Postgres does not answer')
  assert.equal(explain(error), 'Postgres does not answer: no')
})
