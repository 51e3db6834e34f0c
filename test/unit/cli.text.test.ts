import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import {
  formatAge,
  formatInstant,
  formatTable,
  createPaint,
  firstLine,
  printable,
  shellQuote,
} from '../../src/cli/text.ts'

describe('text for a terminal', () => {
  it('makes columns as wide as what is in them, colours left out of the count', () => {
    const { red } = createPaint(true)
    assert.equal(
      formatTable(
        ['A', 'LONG', ''],
        [
          ['aaa', red('x'), 'e'],
          ['b', 'y'],
        ],
      ),
      `A    LONG\naaa  ${red('x')}     e\nb    y`,
    )
    assert.equal(formatTable(['A', 'B'], []), 'A  B')
  })

  it('cuts lines at the width, and ends the colours in them', () => {
    const { red } = createPaint(true)
    assert.equal(formatTable(['A'], [['12345']], 5), 'A\n12345')
    assert.equal(formatTable(['A'], [['123456']], 5), 'A\n1234…')
    assert.equal(formatTable(['A'], [[red('123456')]], 5), `A\n${red('1234…')}`)
  })

  it('obeys no control character of a stranger', () => {
    assert.equal(printable('a\u001b[31mb\u0000\u202e\tc\nd'), 'a\\u001b[31mb\\u0000\\u202e\tc\nd')
    assert.equal(firstLine('one\u0007\ntwo'), 'one\\u0007')
    assert.equal(firstLine('x'.repeat(101)), `${'x'.repeat(99)}…`)
    assert.equal(firstLine('x'.repeat(100)).length, 100)
  })

  it('paints only when it may', () => {
    assert.equal(createPaint(false).red('x'), 'x')
    assert.equal(createPaint(true).bold('x'), '\u001b[1mx\u001b[22m')
  })

  it('tells how long ago', () => {
    const at = (ms: number): string => formatAge(new Date(0), new Date(ms))
    assert.deepEqual([-5_000, 0, 59_000, 60_000, 3_599_000, 3_600_000, 172_799_000, 172_800_000].map(at), [
      '0s',
      '0s',
      '59s',
      '1m',
      '59m',
      '1h',
      '47h',
      '2d',
    ])
  })

  it('tells an instant as the clock on the wall, with seconds and year when they matter', () => {
    const now = new Date('2026-11-23T18:00:00Z')
    const at = (iso: string, zone: string) => formatInstant(new Date(iso), zone, now)
    assert.equal(at('2026-11-24T02:15:00Z', 'Europe/Berlin'), 'Tue 24 Nov 03:15 CET')
    assert.equal(at('2027-03-28T01:00:00Z', 'Europe/Berlin'), 'Sun 28 Mar 2027 03:00 CEST')
    assert.equal(at('2026-11-23T18:00:10Z', 'UTC'), 'Mon 23 Nov 18:00:10 UTC')
    assert.equal(at('2026-11-24T00:00:00Z', 'UTC'), 'Tue 24 Nov 00:00 UTC')
  })

  it('quotes for a shell only what needs it', () => {
    assert.equal(shellQuote('http://127.0.0.1:4400/a'), 'http://127.0.0.1:4400/a')
    assert.equal(shellQuote(`{"a":"it's"}`), `'{"a":"it'\\''s"}'`)
    assert.equal(shellQuote(''), `''`)
  })
})
