import type { Client, Pool } from 'pg'
import { parseLossless } from './lossless-json.ts'
import type { Snapshot } from './low-water.ts'
import type { OutboxChange, OutboxRow } from './outbox.ts'

/** A row as it was taken, inside a transaction that deletes it. */
export interface TakenRow {
  readonly id: number
  readonly bytes: number
  readonly row: OutboxRow
}

export interface TakeOptions {
  /** Whose changes; messages have no owner. */
  readonly owner: string
  readonly kinds: readonly OutboxRow['kind'][]
  /** Bindings whose rows are taken; null for all. */
  readonly bindings: readonly string[] | null
  /** Lowest id to look at. */
  readonly fromId: number
  readonly maxRows: number
  /** Of JSON in all rows together, but for the last, which may go beyond. */
  readonly maxBytes: number
}

const MINE = `(kind = 'message' or owner = $1)`

/** A trigger has the binding among its arguments. Who asks for a binding that he knows asks no further. */
const KNOWN = `(binding is null or $2::text[] is null or binding = any ($2) or not exists (
  select from pg_trigger t where position(convert_to(binding, 'UTF8') in t.tgargs) > 0))`

/**
 * Deletes the first rows in order and answers them. By `ctid`, over the primary key: with the settings of the drainer's
 * session this plan stays, whatever the table's size was when it was made.
 */
const TAKE = `
  delete from tappet.outbox o where o.ctid = any (array(
    select sized.ctid from (
      select locked.ctid, sum(locked.bytes) over (order by locked.id) - locked.bytes as ahead from (
        select ctid, id, bytes from tappet.outbox
        where ${MINE} and kind = any ($3) and id >= $4 and ${KNOWN}
        order by id limit $5 for update skip locked
      ) locked
    ) sized where sized.ahead < $6
  ))
  returning id, bytes, kind, uid, binding, operation, schema, "table", before, after, txid, queue, data, key, created_at,
    extract(epoch from greatest(delay - (clock_timestamp() - created_at), interval '0')) as delay`

const LOOK = `
  select exists (select from tappet.outbox where ${MINE} and kind = any ($3) and id >= $4 and ${KNOWN}) as waiting,
    exists (select from tappet.outbox where ${MINE} and kind = any ($3)) as some,
    pg_snapshot_xmin(s) as xmin, pg_snapshot_xmax(s) as xmax from pg_current_snapshot() s`

const DEPTH = `
  select (select count(*) from (select from tappet.outbox where ${MINE} limit 10000) few) as rows,
    (select extract(epoch from clock_timestamp() - created_at) from tappet.outbox where ${MINE}
     order by id limit 1) as age`

/** Every column as Postgres wrote it: cheaper, and nothing is lost. */
const AS_TEXT = { getTypeParser: () => (text: string) => text }

type Text = Readonly<Record<string, string | null>>

export async function take(client: Client, options: TakeOptions): Promise<readonly TakenRow[]> {
  const { owner, bindings, kinds, fromId, maxRows, maxBytes } = options
  const values = [owner, bindings, kinds, fromId, maxRows, maxBytes]
  const { rows } = await client.query<Text>({ name: 'tappet-take', text: TAKE, values, types: AS_TEXT })
  return rows.map(read).toSorted((a, b) => a.id - b.id)
}

export interface Look extends Snapshot {
  /** There are rows that are taken. */
  readonly waiting: boolean
  /** There are rows, but none that is taken: of triggers that only others know. */
  readonly left: boolean
}

export async function look(
  client: Client,
  { owner, bindings, kinds, fromId }: Pick<TakeOptions, 'owner' | 'bindings' | 'kinds' | 'fromId'>,
): Promise<Look> {
  const values = [owner, bindings, kinds, fromId]
  const { rows } = await client.query<Text>({ name: 'tappet-look', text: LOOK, values, types: AS_TEXT })
  const { waiting, some, xmin, xmax } = rows[0] ?? {}
  const left = some === 't' && waiting !== 't'
  return { waiting: waiting === 't', left, xmin: BigInt(xmin ?? 0), xmax: BigInt(xmax ?? 0) }
}

export async function readDepth(pool: Pool, owner: string): Promise<{ rows: number; oldestMs: number }> {
  const { rows } = await pool.query<Text>({ text: DEPTH, values: [owner], types: AS_TEXT })
  return { rows: Number(rows[0]?.rows ?? 0), oldestMs: milliseconds(rows[0]?.age) }
}

function read(text: Text): TakenRow {
  const row = text.kind === 'message' ? readMessage(text) : readChange(text)
  return { id: Number(text.id), bytes: Number(text.bytes), row }
}

function readChange(text: Text): OutboxRow {
  return {
    kind: 'change',
    uid: text.uid ?? '',
    binding: text.binding ?? '',
    operation: text.operation as OutboxChange['operation'],
    schema: text.schema ?? '',
    table: text.table ?? '',
    before: readJson(text.before) as OutboxChange['before'],
    after: readJson(text.after) as OutboxChange['after'],
    transaction: text.txid ?? '',
    time: readTime(text.created_at),
  }
}

function readMessage(text: Text): OutboxRow {
  return {
    kind: 'message',
    uid: text.uid ?? '',
    queue: text.queue ?? '',
    data: readJson(text.data),
    key: text.key ?? null,
    delayMs: milliseconds(text.delay),
    time: readTime(text.created_at),
  }
}

function readJson(text: string | null | undefined): unknown {
  return text === null || text === undefined ? null : parseLossless(text)
}

/** `2026-11-23 10:00:00.123456+00`, as the session's settings make it, in RFC 3339. */
function readTime(text: string | null | undefined): string {
  return (text ?? '').replace(' ', 'T').replace(/\+00$/, 'Z')
}

function milliseconds(seconds: string | null | undefined): number {
  return Math.max(0, Math.round(Number(seconds ?? 0) * 1_000))
}
