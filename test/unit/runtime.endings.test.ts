import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { endingOf, type LastState, lost } from '../../src/runtime/ending.ts'
import type { Exit } from '../../src/runtime/supervisor/protocol.ts'

const state: LastState = { file: 'functions/a.ts', death: null, booted: true, loading: false, calls: 1 }
const exit: Exit = { code: 1, signal: null, error: null, over: null, lastWords: null }

const cases: readonly (readonly [string, Partial<LastState>, Partial<Exit>, string, string])[] = [
  ['one call', {}, {}, 'failed', 'TPT_FUNCTION_CRASHED'],
  ['one call, a signal', {}, { code: null, signal: 'SIGSEGV' }, 'failed', 'TPT_FUNCTION_CRASHED'],
  [
    'one call, too much memory',
    {},
    { code: null, signal: 'SIGKILL', over: 'memory' },
    'failed',
    'TPT_OUT_OF_MEMORY',
  ],
  [
    'one call, V8 gave up',
    {},
    { lastWords: 'FATAL ERROR: heap out of memory' },
    'failed',
    'TPT_OUT_OF_MEMORY',
  ],
  ['one call, C++ gave up', {}, { lastWords: 'what():  std::bad_alloc' }, 'failed', 'TPT_OUT_OF_MEMORY'],
  ['one call, too many processes', {}, { over: 'processes' }, 'failed', 'TPT_TOO_MANY_PROCESSES'],
  ['two calls, too many processes', { calls: 2 }, { over: 'processes' }, 'lost', 'TPT_INSTANCE_LOST'],
  ['two calls, too much memory', { calls: 2 }, { over: 'memory' }, 'lost', 'TPT_INSTANCE_LOST'],
  ['two calls', { calls: 2 }, {}, 'lost', 'TPT_INSTANCE_LOST'],
  ['at its import, one call', { loading: true }, {}, 'failed', 'TPT_FUNCTION_LOAD'],
  ['at its import, two calls', { loading: true, calls: 2 }, {}, 'failed', 'TPT_FUNCTION_LOAD'],
  ['before it began', { booted: false, loading: true }, {}, 'lost', 'TPT_INSTANCE_LOST'],
  ['killed at its import by chance', { loading: true }, { signal: 'SIGKILL' }, 'lost', 'TPT_INSTANCE_LOST'],
  ['killed for another run', { death: 'timeout' }, {}, 'lost', 'TPT_INSTANCE_LOST'],
  [
    'killed at its import for another run',
    { death: 'timeout', loading: true },
    {},
    'lost',
    'TPT_INSTANCE_LOST',
  ],
  ['stopped', { death: 'shutdown', calls: 2 }, {}, 'lost', 'TPT_SHUTDOWN'],
  ['never started', { loading: true }, { error: 'EAGAIN' }, 'lost', 'TPT_INSTANCE_LOST'],
]

describe('what a call is told when its process is gone', () => {
  for (const [what, more, how, kind, code] of cases) {
    it(`${what}: ${kind}, ${code}`, () => {
      const ending = endingOf({ ...state, ...more }, { ...exit, ...how })
      assert.ok(ending.kind !== 'answered')
      assert.deepEqual([ending.kind, ending.failure.code, ending.failure.stack], [kind, code, null])
      assert.match(ending.failure.message, /^functions\/a\.ts: /)
    })
  }

  it('names what the process said last', () => {
    const ending = endingOf(state, { ...exit, lastWords: 'FATAL ERROR: heap' })
    assert.equal(
      ending.kind === 'failed' && ending.failure.message,
      'functions/a.ts: the process exited with code 1 (FATAL ERROR: heap)',
    )
  })

  it('a call that comes too late is never to blame', () => {
    assert.equal(lost(endingOf(state, exit)).kind, 'lost')
  })
})
