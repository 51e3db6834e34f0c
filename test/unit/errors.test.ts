import assert from 'node:assert/strict'
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { CODES, FatalError, RetryAfterError, TappetError, toFailure } from '../../src/errors.ts'

describe('toFailure', () => {
  it('reads an error by its properties, not by its class', () => {
    const foreign = { name: 'FatalError', message: 'no', retryable: false, stack: 'at x', code: 'E1' }
    assert.deepEqual(toFailure(foreign), { ...foreign, retryAfterMs: null })
  })

  it('takes whatever can be thrown', () => {
    const cyclic: Record<string, unknown> = {}
    cyclic.self = cyclic
    const thrown = [
      null,
      undefined,
      'text',
      7,
      7n,
      Symbol('s'),
      cyclic,
      Object.freeze({ a: 1 }),
      () => 1,
      Object.create(null),
    ]
    for (const value of thrown) {
      const failure = toFailure(value)
      assert.equal(typeof failure.message, 'string')
      assert.equal(failure.retryable, true)
      assert.doesNotThrow(() => JSON.stringify(failure))
    }
  })

  it('keeps what our own errors say', () => {
    assert.equal(toFailure(new FatalError('x')).retryable, false)
    assert.equal(toFailure(new RetryAfterError('x', '2s')).retryAfterMs, 2_000)
    assert.equal(toFailure(new RetryAfterError('x', new Date(5_000)), 2_000).retryAfterMs, 3_000)
    assert.equal(toFailure(new RetryAfterError('x', 'soon' as '1s')).retryAfterMs, null)
    const failure = toFailure(new TappetError('TPT_EVENT_INVALID', 'x'))
    assert.deepEqual([failure.code, failure.retryable], ['TPT_EVENT_INVALID', false])
  })

  it('cuts what is too long', () => {
    const failure = toFailure(new Error('x'.repeat(100_000)))
    assert.ok(JSON.stringify(failure).length < 30_000)
  })
})

describe('the registry of errors', () => {
  it('is the same in the code and in the docs', async () => {
    const docs = await readFile('docs/errors.md', 'utf8')
    const rows = [...docs.matchAll(/^\| `(TPT_\w+)` \| (\w+) \| (yes|no) \| (\d+) \| (.+) \|$/gm)]
    const documented = rows.map(([, code, fault, retry, status, hint]) => [code, fault, retry, status, hint])
    const coded = Object.entries(CODES).map(([code, { fault, retry, status, hint }]) => [
      ...[code, fault, retry ? 'yes' : 'no', String(status)],
      hint,
    ])
    assert.deepEqual(documented.toSorted(), coded.toSorted())
  })

  it('has no code that nobody uses', async () => {
    const names = (await readdir('src', { recursive: true })).filter((name) => name.endsWith('.ts'))
    const users = names.filter((name) => !/^(errors|cli.errors)\.ts$/.test(name))
    const code = (await Promise.all(users.map((name) => readFile(join('src', name), 'utf8')))).join()
    assert.deepEqual(
      Object.keys(CODES).filter((name) => !code.includes(`'${name}'`)),
      [],
    )
  })
})
