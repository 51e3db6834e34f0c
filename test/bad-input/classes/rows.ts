import { type Case, expect, expectEqual, type Told } from '../case.ts'
import { quoted } from '../project.ts'
import { TABLES } from '../tables.ts'
import type { Target } from '../target.ts'
import { eventually } from '../../support/eventually.ts'

interface Value {
  readonly column: string
  /** As SQL. */
  readonly sql: string
  /** As the event tells it. */
  readonly want: unknown
}

const text = (sql: string, column: string, want: unknown): Value => ({ column, sql, want })
const PATIENCE_MS = 20_000

/** What JSON has no word for comes as the text that Postgres writes. */
const VALUES: readonly Value[] = [
  ...['n', 'f', 'r'].flatMap((column) => [
    text(`'NaN'`, column, 'NaN'),
    text(`'Infinity'`, column, 'Infinity'),
    text(`'-Infinity'`, column, '-Infinity'),
    text('0', column, 0),
  ]),
  text(`'1${'0'.repeat(999)}'`, 'n', `1${'0'.repeat(999)}`),
  text('1.10', 'n', 1.1),
  text('9223372036854775807', 'i', '9223372036854775807'),
  text('-9223372036854775808', 'i', '-9223372036854775808'),
  text('9007199254740993', 'i', '9007199254740993'),
  text('1e308', 'f', 1e308),
  text(`'\\x00ff'`, 'b', '\\x00ff'),
  text(`''`, 'b', '\\x'),
  text(`'infinity'`, 't', 'infinity'),
  text(`'-infinity'`, 't', '-infinity'),
  text(`'infinity'`, 'd', 'infinity'),
  text(`'0044-03-15 BC'`, 'd', '0044-03-15 BC'),
  text(`'294276-12-31'`, 'd', '294276-12-31'),
  text(`'1 year 2 mons 3 days 04:05:06.789'`, 'iv', '1 year 2 mons 3 days 04:05:06.789'),
  text(`'{"a": {"b": [1, null, "\\u00e9"]}}'`, 'j', { a: { b: [1, null, 'é'] } }),
  text(`'{"__proto__": 1, "constructor": null}'`, 'j', JSON.parse('{"__proto__": 1, "constructor": null}')),
  text(`'null'`, 'j', null),
  text(`'{"a": "\\u0000"}'`, 'js', { a: '\u0000' }),
  text(`'{"a": "\\ud800"}'`, 'js', { a: '\ud800' }),
  text(`'{"a": 1, "a": 2}'`, 'js', { a: 2 }),
  text(`'<a>&amp;</a>'`, 'x', '<a>&amp;</a>'),
  text(`'{1,null,3}'`, 'a', [1, null, 3]),
  text(`'{}'`, 'a', []),
  text(`'{{a,"b,c"},{"",null}}'`, 'aa', [
    ['a', 'b,c'],
    ['', null],
  ]),
  text(`'[2:3]={1,2}'`, 'a', [1, 2]),
  text(`'[1,5)'`, 'rng', '[1,5)'),
  text(`'empty'`, 'rng', 'empty'),
  text(`'(,)'`, 'rng', '(,)'),
  text(`'it''s'`, 'c', "it's"),
  text(`row(1, 'a"b,c')`, 'p', { a: 1, b: 'a"b,c' }),
  text('row(null, null)', 'p', { a: null, b: null }),
  text(`'00000000-0000-0000-0000-000000000000'`, 'u', '00000000-0000-0000-0000-000000000000'),
  text(`'::1/128'`, 'ip', '::1'),
  text(`B'101'`, 'bits', '101'),
  text(`B''`, 'bits', ''),
  text(`'23:59:60+00'`, 'tm', '24:00:00+00'),
  text(`''`, 'txt', ''),
  text(`repeat('x', 1000000)`, 'txt', 'x'.repeat(1_000_000)),
  text(`repeat(chr(128512), 1000)`, 'txt', '😀'.repeat(1_000)),
  text(`E'a\\tb\\nc\\\\d"e'`, 'txt', 'a\tb\nc\\d"e'),
  text(`chr(1) || chr(31) || chr(127)`, 'txt', '\u0001\u001f\u007f'),
  text(`E'\\u2028\\ufeff'`, 'txt', '\u2028\ufeff'),
  text('null', 'txt', null),
  text(`repeat('<script>', 1000)`, 'txt', '<script>'.repeat(1_000)),
]

/** A committed row cannot be refused: its event comes, as it is, and none behind it waits for ever. */
async function delivered(target: Target, { column, sql, want }: Value, kind: string): Promise<Told> {
  const values = `insert into kinds (kind, ${column}) values ($1, ${sql}) returning id`
  await target.sql(values, [kind])
  const { data } = await eventOfRow(target, `"kind":"${kind}"`)
  expectEqual(data[column], want, column)
  return { verdict: 'accepted', events: 1 }
}

async function ofTable(target: Target, name: string, id: number): Promise<Told> {
  await target.sql(`insert into ${quoted(name)} values ($1)`, [id])
  const { data, change } = await eventOfRow(target, `"id":${id}`)
  expectEqual([data['id'], change.table], [id, name], 'the row and its table')
  return { verdict: 'accepted', events: 1 }
}

interface RowEvent {
  readonly data: Readonly<Record<string, unknown>>
  readonly change: { readonly table: string }
}

/** By a text in it: Postgres refuses to look into some of the JSON that it stores. */
async function eventOfRow(target: Target, text: string): Promise<RowEvent> {
  const find = `select payload::text from tappet.events where type = 'postgres.insert' and strpos(payload::text, $1) > 0`
  const [row] = await eventually(
    async () => {
      const rows = await target.sql<{ payload: string }>(find, [text])
      return rows.length > 0 ? rows : null
    },
    `the event of the row with ${text}`,
    PATIENCE_MS,
  )
  expect(row !== undefined, 'expected a row')
  return JSON.parse(row.payload) as RowEvent
}

/** What a database itself refuses must leave nothing behind. */
const REFUSALS: Readonly<Record<string, string>> = {
  'a constraint': `insert into kinds (kind, c) values ('x', 'green')`,
  'an overflow': `insert into kinds (kind, i) values ('x', 9223372036854775808)`,
  'a NUL in text': `insert into kinds (kind, txt) values ('x', chr(0))`,
  'a division': `insert into kinds (kind, n) values ('x', 1 / 0)`,
}

async function refusedByPostgres(target: Target, sql: string): Promise<Told> {
  const failure = await target.sql(sql).then(
    () => null,
    (error: unknown) => error,
  )
  expect(failure !== null, 'expected the database to refuse it')
  return { verdict: 'refused', events: 0 }
}

export const ROWS: readonly Case[] = [
  ...VALUES.map((value, i) => {
    const id = `rows/${value.column} ${i}`
    return { id, run: (target: Target) => delivered(target, value, id) }
  }),
  ...TABLES.map((name, i) => ({
    id: `rows/table ${i}`,
    run: (target: Target) => ofTable(target, name, 5_000_000 + i),
  })),
  ...Object.entries(REFUSALS).map(([what, sql]) => ({
    id: `rows/refused by ${what}`,
    run: (target: Target) => refusedByPostgres(target, sql),
  })),
]
