import assert from 'node:assert/strict'
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import {
  CODES,
  type ErrorCode,
  FatalError,
  RetryAfterError,
  TappetError,
  toFailure,
} from '../../src/errors.ts'
import { AUTHOR } from '../../src/explain/author.ts'
import { OPERATOR } from '../../src/explain/operator.ts'
import { EXPLANATIONS, errorDocs } from '../../src/explain/pages.ts'
import { SENDER } from '../../src/explain/sender.ts'
import { SYSTEM } from '../../src/explain/system.ts'

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
  it('is what the documents say, a page for each code', async () => {
    const pages = errorDocs()
    for (const [path, text] of pages)
      assert.equal(await readFile(path, 'utf8').catch(() => ''), text, `${path}: run \`npm run docs\``)
    const there = (await readdir('docs/errors')).map((name) => `docs/errors/${name}`)
    assert.deepEqual(['docs/errors.md', ...there].toSorted(), [...pages.keys()].toSorted())
  })

  it('is explained: each code where its fault belongs, each with a cause and something to do', () => {
    const places = { sender: SENDER, author: AUTHOR, operator: OPERATOR, system: SYSTEM }
    for (const [code, { fault }] of Object.entries(CODES)) {
      assert.ok(code in places[fault], `${code} is the ${fault}'s`)
      const { causes, remedies, retry } = EXPLANATIONS[code as ErrorCode]
      assert.ok(causes.length > 0 && remedies.length > 0 && retry !== '', code)
      for (const line of [...causes, ...remedies, retry]) assert.match(line, /^\S.*\.$/s, `${code}: ${line}`)
    }
  })

  it('has no code that nobody uses', async () => {
    const names = (await readdir('src', { recursive: true })).filter((name) => name.endsWith('.ts'))
    const users = names.filter((name) => !/^(errors|cli.errors|explain.\w+)\.ts$/.test(name))
    const code = (await Promise.all(users.map((name) => readFile(join('src', name), 'utf8')))).join()
    assert.deepEqual(
      Object.keys(CODES).filter((name) => !code.includes(`'${name}'`)),
      [],
    )
  })
})
