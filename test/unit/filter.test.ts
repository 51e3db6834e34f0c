import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { TappetError } from '../../src/errors.ts'
import { FIELDS, type Subject } from '../../src/filter/fields.ts'
import { parseFilter, printFilter } from '../../src/filter/filter.ts'
import { matchesFilter, textAt } from '../../src/filter/matches.ts'
import { RUN_STATES } from '../../src/store/run-state.ts'
import { filterTexts } from '../support/filters.ts'
import { propertyRuns } from '../support/property.ts'

function refused(text: string, subject: Subject = 'runs'): string {
  try {
    parseFilter(text, subject)
  } catch (error) {
    assert.ok(error instanceof TappetError)
    assert.equal(error.code, 'TPT_FILTER_INVALID')
    return error.message
  }
  throw new Error(`${text} was taken`)
}

const terms = (text: string, subject: Subject = 'runs') =>
  parseFilter(text, subject).terms.map(({ field, path, operator, values, negated }) =>
    [negated ? '-' : '', [field, ...path].join('.'), operator, values.join('|')].join(''),
  )

describe('the filter grammar', () => {
  it('reads what people type', () => {
    const text =
      'status:failed function:mail/send-receipt since:24h error~"timed out" data.tenant:acme trigger:cron attempt>1 duration>5s'
    assert.deepEqual(terms(text), [
      'status:failed',
      'function:mail/send-receipt',
      'since:24h',
      'error~timed out',
      'data.tenant:acme',
      'trigger:cron',
      'attempt>1',
      'duration>5s',
    ])
    assert.deepEqual(terms('-status:dead,retrying data.total>=10.5 until:2026-11-01T00:00:00Z'), [
      '-status:dead|retrying',
      'data.total>=10.5',
      'until:2026-11-01T00:00:00Z',
    ])
    assert.deepEqual(terms(String.raw`  mail "a \"b\" \\" -smtp `), [
      'text~mail',
      String.raw`text~a "b" \ `.trimEnd(),
      '-text~smtp',
    ])
    assert.deepEqual(terms('level>=warn', 'logs'), ['level>=warn'])
    assert.deepEqual(terms(''), [])
  })

  it('says where it is wrong, what it expected, what came, and what was probably meant', () => {
    const expected: readonly (readonly [string, RegExp])[] = [
      ['status:faild', /at character 8: expected one of accepted, .*, got "faild"; did you mean failed\?/],
      [
        'since:1h statu:dead',
        /at character 10: expected one of status, .*, got "statu"; did you mean status\?/,
      ],
      ['status=dead', /at character 7: expected ':' between field and value, got '='/],
      ['status:', /at character 8: expected a value, got none/],
      ['error~"open', /at character 7: expected a closing quote, got the end/],
      ['status:dead,', /at character 13: expected a value, got none/],
      ['attempt>two', /at character 9: expected a number, got "two"/],
      ['duration>5', /at character 10: expected a duration such as '5s', got "5"/],
      ['since:yesterday', /at character 7: expected a time/],
      ['since:9999999d', /at character 7: expected a time/],
      ['function>a', /expected function with : or ~, got '>'/],
      ['duration:5s', /expected duration with > or >= or < or <=/],
      ['data:acme', /expected data\. and the keys of a value/],
      ['function.x:a', /expected function, got function\.x/],
      ['-', /at character 2: expected a field or a word/],
      [':dead', /expected a field before ':', got none/],
      ['error~"a"b', /at character 10: expected a space/],
      ['a\u0000b', /at character 2: expected text/],
      ['error~\ud800', /at character 7: expected text/],
      [String.raw`"\n"`, /expected \\" or \\\\, got \\n/],
      ['text:a', /expected one of/],
      ['x'.repeat(2_001), /expected at most 2000 characters/],
      ['a '.repeat(51), /expected at most 50 terms/],
      ['constructor:a', /expected one of/],
    ]
    for (const [text, message] of expected) assert.match(refused(text), message, text)
  })

  it('prints what it reads, and reads what it prints', () => {
    for (const subject of Object.keys(FIELDS) as Subject[]) {
      const roundTrip = fc.property(filterTexts(subject), (text) => {
        const filter = parseFilter(text, subject)
        assert.deepEqual(parseFilter(printFilter(filter), subject), filter)
      })
      fc.assert(roundTrip, propertyRuns())
    }
  })

  it('throws nothing but its own error, whatever it is given', () => {
    const piece = fc.oneof(
      fc.constantFrom(
        ':',
        '~',
        '>',
        '=',
        '"',
        '\\',
        ',',
        '-',
        ' ',
        '.',
        'status',
        'data',
        'since',
        '1h',
        'dead',
      ),
      fc.string({ unit: 'binary', maxLength: 5 }),
    )
    const safe = fc.property(fc.array(piece, { maxLength: 12 }), (pieces) => {
      const text = pieces.join('')
      try {
        const filter = parseFilter(text, 'runs')
        assert.deepEqual(parseFilter(printFilter(filter), 'runs'), filter)
      } catch (error) {
        assert.ok(error instanceof TappetError && error.code === 'TPT_FILTER_INVALID', String(error))
      }
    })
    fc.assert(safe, propertyRuns(4))
  })

  it('knows the states of the ledger', () => {
    const { choices = [] } = FIELDS.runs.status ?? {}
    assert.deepEqual([...choices].toSorted(), [...RUN_STATES, 'failed', 'open'].toSorted())
  })
})

describe('matching a record', () => {
  const facts: Readonly<Record<string, string | number | null>> = {
    status: 'dead',
    function: 'mail/send',
    error: 'E42 Error Timed OUT',
    attempt: 3,
    duration: 6_000,
    since: 1_000_000,
    until: 1_000_000,
    worker: null,
  }
  const data = { data: { tenant: 'acme', total: 12, tags: ['a', { b: true }] } }
  const matches = (text: string, nowMs = 1_060_000) =>
    matchesFilter(
      parseFilter(text, 'runs'),
      (field, path) => (field === 'data' ? textAt(data, ['data', ...path]) : (facts[field] ?? null)),
      nowMs,
    )

  it('needs all terms, and one value of each', () => {
    assert.equal(matches('status:failed function:mail/send,other'), true)
    assert.equal(matches('status:failed function:other'), false)
    assert.equal(matches('status:open'), false)
    assert.equal(matches('error~"timed out" attempt>2 attempt<=3 duration>5s -duration>7s'), true)
    assert.equal(matches('since:1m until:1m'), true)
    assert.equal(matches('since:59s'), false)
    assert.equal(matches('data.tenant:acme data.total>=12 data.tags.1.b:true'), true)
    assert.equal(matches('data.total>12'), false)
    assert.equal(matches('data.tenant>1'), false)
  })

  it('finds nothing in what is not there, so that its negation finds it', () => {
    assert.equal(matches('worker:wrk_1'), false)
    assert.equal(matches('-worker:wrk_1'), true)
    assert.equal(matches('-data.nothing:x'), true)
  })
})
