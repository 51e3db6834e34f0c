import assert from 'node:assert/strict'
import { test } from 'node:test'
import { readDeclaration } from '../../src/runtime/declaration.ts'

const on = { kind: 'queue', label: 'queue a', queue: 'a', schemas: {} }

/** Option, what it takes up to its limits, what is beyond them. */
const LIMITS: readonly (readonly [string, readonly unknown[], readonly unknown[]])[] = [
  ['timeout', ['1ms', '2147483647ms'], ['0ms', '2147483648ms', '25d']],
  ['concurrency', [1, Number.MAX_SAFE_INTEGER], [0, 1.5, Number.MAX_SAFE_INTEGER + 1]],
  ['instanceConcurrency', [1, 10], [0, 1.5]],
  ['maxInstances', [1, 100], [0, 1.5]],
  ['provisioned', [0, 2], [-1, 0.5]],
  ['memory', [32, 4_096], [31, 64.5]],
  ['retry.attempts', [1], [0, 1.5]],
  ['retry.delay', ['0ms', '2147483647ms'], ['2147483648ms']],
  ['retry.maxDelay', ['0ms', '2147483647ms'], ['2147483648ms']],
  ['retry.factor', [1], [0.99]],
  ['retry.jitter', [0, 1], [-0.01, 1.01]],
]

for (const [option, good, bad] of LIMITS) {
  test(`\`${option}\` up to its limits, and not beyond`, () => {
    for (const value of good) assert.ok('triggers' in read(option, value), String(value))
    for (const value of bad) {
      const problems = read(option, value)
      assert.ok(Array.isArray(problems) && problems.length === 1, String(value))
      assert.match(String(problems), new RegExp(`^\`${option}\` must be .*, got `))
    }
  })
}

function read(option: string, value: unknown): ReturnType<typeof readDeclaration> {
  const [name = '', part] = option.split('.')
  const options = { [name]: part === undefined ? value : { [part]: value } }
  return readDeclaration({ handler: 'function', options, on })
}

test('no more instances can be provisioned than there may be', () => {
  const options = { maxInstances: 2, provisioned: 3 }
  assert.deepEqual(readDeclaration({ handler: 'function', options, on }), [
    '`provisioned` must be at most `maxInstances`, 2, got 3',
  ])
})
