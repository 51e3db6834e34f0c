import assert from 'node:assert/strict'
import { PassThrough } from 'node:stream'
import { describe, it } from 'node:test'
import { createLineReader } from '../../src/runtime/supervisor/lines.ts'
import { familyOf, type ProcessRow } from '../../src/runtime/supervisor/processes.ts'

const row = (pid: number, parent: number, group = pid, session = group): ProcessRow => ({
  ...{ pid, parent, group, session },
})

describe('the family of a process', () => {
  it('are its children and theirs, in whatever group, and who is in its own', () => {
    const rows = [
      ...[row(1, 0), row(10, 1), row(20, 10)],
      ...[row(21, 20, 20), row(22, 21, 22, 20), row(23, 22), row(24, 23, 24)],
      // Their parents have ended.
      ...[row(25, 1, 20), row(26, 1, 26, 20), row(27, 1), row(28, 26, 27)],
      ...[row(30, 10), row(31, 30)],
    ]
    const family = familyOf(20, rows).map(({ pid }) => pid)
    assert.deepEqual(family.toSorted(), [20, 21, 22, 23, 24, 25, 26, 28])
    assert.deepEqual(familyOf(99, rows), [])
  })

  it('may be a chain of any length', () => {
    const rows = Array.from({ length: 30_000 }, (_, n) => row(n + 2, n + 1))
    assert.equal(familyOf(2, rows).length, 30_000)
  })
})

describe('of what a process said last', () => {
  const cases: readonly (readonly [string, string, string | null])[] = [
    ['nothing', '', null],
    ['the last line', 'one\ntwo\n', 'two'],
    [
      'what V8 says of its heap',
      'a\nFATAL ERROR: heap out of memory\n----\n 1: 0xb78 node\n',
      'FATAL ERROR: heap out of memory',
    ],
    [
      'what V8 says between lines of #',
      '#\n# Fatal process out of memory: CodeRange\n#\n---\n',
      'Fatal process out of memory: CodeRange',
    ],
    [
      'what C++ throws',
      'terminate called\n  what():  std::bad_alloc\nAborted\n',
      '  what():  std::bad_alloc',
    ],
  ]
  for (const [what, text, expected] of cases) {
    it(`the most telling is ${what}`, async () => {
      const stream = new PassThrough()
      const reader = createLineReader(stream, () => undefined)
      stream.end(text)
      await reader.ended
      assert.equal(reader.mostTelling(), expected)
    })
  }
})
