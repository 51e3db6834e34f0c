import { TappetError } from '../errors.ts'
import type { Envelope } from '../events/envelope.ts'
import { newId } from '../lib/id.ts'
import type { Declared } from '../triggers/trigger.ts'

/** What a kind's events have beside `source`, `id` and `time`. */
type Shape = Pick<Envelope, 'type' | 'data'> & Readonly<Record<string, unknown>>

/**
 * An event as the function's first trigger would make it, around data that a person gave. `undefined` stands for no
 * data: kinds that can do without fill in their own.
 *
 * @throws TappetError TPT_EVENT_INVALID when the kind cannot do without data.
 */
export function invocationEvent(
  functionId: string,
  trigger: Declared | undefined,
  data: unknown,
  now = new Date(),
): Envelope {
  const kind = trigger?.kind ?? 'manual'
  const shape = Object.hasOwn(SHAPES, kind) ? SHAPES[kind] : undefined
  const content = shape?.(trigger as never, data, now) ?? { type: `${kind}.invoked`, data: data ?? null }
  return {
    specversion: '1.0',
    id: newId('msg', now.getTime()),
    source: `/invoke/${encodeURI(functionId)}`,
    time: now.toISOString(),
    ...content,
  }
}

type MakeShape = (trigger: never, data: unknown, now: Date) => Shape

/** By kind, because what a handler may read differs by kind; a kind that is not here gets its data alone. */
const SHAPES: Readonly<Record<string, MakeShape>> = {
  queue: ({ queue }: { readonly queue: string }, data) => ({
    type: 'queue.message',
    data: data ?? null,
    message: { queue, headers: {} },
  }),
  http: ({ method, path }: { readonly method: string; readonly path: string }, data) => ({
    type: 'http.request',
    data: data ?? null,
    request: {
      method: method === 'ANY' ? (data === undefined ? 'GET' : 'POST') : method,
      path,
      params: {},
      query: {},
      headers: {},
      encoding: data === undefined ? 'none' : 'json',
    },
  }),
  cron: (_trigger, data, now) => ({
    type: 'cron.tick',
    data: data ?? { scheduledAt: now.toISOString(), previousAt: null },
  }),
  postgres: rowChange,
  upload: (_trigger, data) => ({
    type: 'upload.created',
    data: needed(data, 'the file: its key, size, contentType …'),
  }),
}

function rowChange(
  { table, operations }: { readonly table: string; readonly operations: readonly string[] },
  data: unknown,
): Shape {
  const operation = operations[0] ?? 'insert'
  const [name = table, schema = 'public'] = table.split('.').toReversed()
  const common = { schema, table: name, transaction: '0' }
  if (operation === 'truncate') {
    return {
      type: 'postgres.truncate',
      data: null,
      change: { ...common, changed: [], before: null, after: null },
    }
  }
  const row = needed(data, `a row of ${table}`)
  const before = operation === 'insert' ? null : row
  const after = operation === 'delete' ? null : row
  const change = { ...common, changed: Object.keys(row), key: {}, before, after }
  return { type: `postgres.${operation}`, data: row, change }
}

function needed(data: unknown, what: string): object {
  if (data !== null && typeof data === 'object') return data
  const message = `must be an object that describes ${what}`
  throw new TappetError('TPT_EVENT_INVALID', `\`data\` ${message}`, { issues: [{ path: '/data', message }] })
}
