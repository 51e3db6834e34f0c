import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { compilePattern } from '../../src/triggers/upload/pattern.ts'

const match = (pattern: string, key: string) => compilePattern(pattern).match(key)

/** The same language, told by a regular expression: slow on bad input, but plain to see. */
function oracle(pattern: string, key: string): Record<string, string> | null {
  const names: string[] = []
  const source = pattern
    .split('/')
    .map((segment, i, all) => {
      if (segment === '**' && i === all.length - 1) return '[^/]+(?:/[^/]+)*'
      const name = /^:(\w+)$/.exec(segment)?.[1]
      if (name !== undefined) {
        names.push(name)
        return '([^/]+)'
      }
      return segment.replaceAll(/[.+?^${}()|[\]\\]/g, '\\$&').replaceAll('*', '[^/]*')
    })
    .join('/')
  const found = new RegExp(`^${source}$`, 'u').exec(key)
  return found && Object.fromEntries(names.map((name, i) => [name, found[i + 1] ?? '']))
}

describe('a key pattern', () => {
  it('reads parameters, stars and the rest', () => {
    assert.deepEqual(match('avatars/:userId/**', 'avatars/7/a/b.png'), { userId: '7' })
    assert.deepEqual(match(':a/:b', 'x/y'), { a: 'x', b: 'y' })
    assert.deepEqual(match('in/*.png', 'in/cat.png'), {})
    assert.deepEqual(match('in/*', 'in/x'), {})
    assert.deepEqual(match('**', 'a'), {})
    assert.deepEqual(match('a*b*c', 'a--b--b--c'), {})
  })

  it('takes nothing else', () => {
    assert.equal(match('avatars/:userId/**', 'avatars/7'), null)
    assert.equal(match('avatars/:userId', 'avatars/7/x'), null)
    assert.equal(match('in/*.png', 'in/cat.jpg'), null)
    assert.equal(match('in/*.png', 'in/deep/cat.png'), null)
    assert.equal(match('a*a', 'a'), null)
    assert.equal(match('Avatars/*', 'avatars/x'), null)
  })

  it('keeps a parameter named like a part of every object to itself', () => {
    const params = match(':__proto__/:constructor', 'a/b')
    assert.deepEqual(Object.entries(params ?? {}), [
      ['__proto__', 'a'],
      ['constructor', 'b'],
    ])
  })

  it('compares letters in their composed form', () => {
    assert.deepEqual(match('caf\u0065\u0301/*', 'caf\u00e9/x'), {})
  })

  it('says what is wrong with a pattern', () => {
    const wrong: readonly (readonly [string, RegExp])[] = [
      ['', /no empty/],
      ['/a', /no empty/],
      ['a/', /no empty/],
      ['a//b', /no empty/],
      ['a/../b', /no empty/],
      ['a/**/b', /only as its last segment/],
      ['a/x**', /only as its last segment/],
      [':', /name parameters like/],
      [':a-b', /name parameters like/],
      [':a/:a', /name each parameter once/],
      ['a\\b', /no backslash/],
      ['a\0b', /no control/],
      [`${'é'.repeat(256)}x`, /at most 512 bytes/],
    ]
    for (const [pattern, message] of wrong) assert.throws(() => compilePattern(pattern), message, pattern)
    compilePattern('é'.repeat(256))
  })

  it('agrees with a regular expression', () => {
    const part = fc.constantFrom('a', 'b', '.', 'ab', '*', '-')
    const text = fc.array(part, { minLength: 1, maxLength: 4 }).map((parts) => parts.join(''))
    const literal = text.filter((segment) => !/\*\*|^\.\.?$/.test(segment))
    const segment = fc.oneof({ arbitrary: literal, weight: 4 }, fc.constantFrom(':p', ':q'))
    const pattern = fc
      .tuple(fc.array(segment, { minLength: 1, maxLength: 3 }), fc.boolean())
      .map(([segments, open]) => [...segments, ...(open ? ['**'] : [])].join('/'))
      .filter((made) => !/:p.*:p|:q.*:q/.test(made))
    const key = fc
      .array(
        fc.array(fc.constantFrom('a', 'b', '.', '-'), { minLength: 1, maxLength: 6 }).map((c) => c.join('')),
        { minLength: 1, maxLength: 4 },
      )
      .map((segments) => segments.join('/'))
    let taken = 0
    fc.assert(
      fc.property(pattern, key, (made, asked) => {
        const got = match(made, asked)
        if (got) taken++
        assert.deepEqual(got, oracle(made, asked))
      }),
      { numRuns: 5_000 },
    )
    assert.ok(taken > 100, `only ${taken} of 5,000 keys were taken: the property says little`)
  })

  it('is quick on names made to be slow', () => {
    const pattern = compilePattern(`${'*a'.repeat(120)}*b`)
    const names = ['a'.repeat(255), 'a'.repeat(512), `${'ab'.repeat(255)}a`, 'é'.repeat(255)]
    const before = performance.now()
    for (let i = 0; i < 100; i++) for (const name of names) pattern.match(name)
    assert.ok(performance.now() - before < 5_000, `400 matches took ${performance.now() - before} ms`)
  })
})
