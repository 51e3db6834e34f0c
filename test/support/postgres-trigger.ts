import assert from 'node:assert/strict'
import type { Client } from 'pg'
import type { Envelope } from '../../src/events/envelope.ts'
import { type Logger, silentLogger } from '../../src/lib/log.ts'
import type { Outbox } from '../../src/outbox/outbox.ts'
import { createPostgresOutbox } from '../../src/outbox/postgres.ts'
import { createPostgresAdapter } from '../../src/triggers/postgres/adapter.ts'
import { postgres, type PostgresTrigger } from '../../src/triggers/postgres/declare.ts'
import type { PostgresEvent } from '../../src/triggers/postgres/event.ts'
import type { Emit, EmitOptions, Subscription, Trigger, TriggerAdapter } from '../../src/triggers/trigger.ts'
import { eventually } from './eventually.ts'
import { connectClient } from './outbox.ts'
import { testDatabase } from './services.ts'

export interface Emitted {
  readonly event: PostgresEvent<'insert' | 'update' | 'delete', Record<string, unknown>>
  readonly functions: readonly string[]
  readonly options: EmitOptions | undefined
}

/** A Postgres trigger on a database of its own, and a ledger of one array. */
export interface TriggerHarness {
  readonly url: string
  readonly client: Client
  readonly adapter: TriggerAdapter<PostgresTrigger>
  readonly outbox: (database: string | null) => Outbox
  readonly emitted: Emitted[]
  readonly emit: Emit
  sql(text: string, values?: unknown[]): Promise<Record<string, unknown>[]>
  start(...subscriptions: readonly Subscription<PostgresTrigger>[]): Promise<void>
  /** Waits for so many events, and shows that no more come: a last change is written and seen after them. */
  events(count: number): Promise<readonly Emitted[]>
  close(): Promise<void>
}

export interface HarnessOptions {
  readonly install?: 'apply' | 'check'
  readonly project?: string
  readonly urls?: Readonly<Record<string, string>>
  readonly logger?: Logger
  /** Whose database; default a new one. */
  readonly url?: string
}

export async function startHarness(options: HarnessOptions = {}): Promise<TriggerHarness> {
  const { install = 'apply', project = 'default', urls = {}, logger = silentLogger } = options
  const database = options.url === undefined ? await testDatabase() : null
  const url = options.url ?? database?.url ?? ''
  const client = await connectClient(url)
  const outboxes = new Map<string | null, Outbox>()
  const connectionUrl = (name: string | null): string | undefined => (name === null ? url : urls[name])
  const outbox = (name: string | null): Outbox => {
    const made =
      outboxes.get(name) ??
      createPostgresOutbox({ url: connectionUrl(name) ?? '', database: name, project, logger })
    outboxes.set(name, made)
    return made
  }
  const adapter = createPostgresAdapter({ outbox, connectionUrl, project, install, logger })
  const emitted: Emitted[] = []
  const emit = collector(emitted)
  const sql = async (text: string, values: unknown[] = []): Promise<Record<string, unknown>[]> =>
    (await client.query<Record<string, unknown>>(text, values)).rows
  return {
    url,
    client,
    adapter,
    outbox,
    emitted,
    emit,
    sql,
    async start(...subscriptions) {
      await adapter.start(subscriptions, emit)
    },
    async events(count) {
      await eventually(() => emitted.length >= count, `${count} events, not ${emitted.length}`)
      await eventually(async () => (await outbox(null).depth()).rows === 0, 'an empty outbox')
      assert.equal(emitted.length, count, JSON.stringify(emitted.map(({ event }) => event)))
      return emitted
    },
    async close() {
      await Promise.all([...outboxes.values()].map((each) => each.stop()))
      await adapter.stop()
      await client.end()
      await database?.drop()
    },
  }
}

function collector(emitted: Emitted[]): Emit {
  const known = new Map<string, number>()
  return async (event, subscriptions, options) => {
    const name = `${event.source} ${event.id}`
    const place = known.get(name) ?? emitted.length
    const duplicate = known.has(name)
    known.set(name, place)
    const functions = subscriptions.map(({ functionId }) => functionId)
    if (!duplicate) emitted.push({ event: event as Emitted['event'], functions, options })
    return { eventId: `evt_${place}`, runIds: [], duplicate }
  }
}

/** A declaration as the broker sees it. */
export function bind(
  functionId: string,
  trigger: Trigger<Envelope & { change: object }>,
): Subscription<PostgresTrigger> {
  return { functionId, index: 0, trigger: { ...(trigger as PostgresTrigger), schemas: [] } }
}

/** Everything of ours, and of the user, that a trigger could leave behind. */
export async function readCatalog(client: Client): Promise<unknown> {
  const { rows } = await client.query(`
    select 'trigger' as what, tgrelid::regclass || ' ' || pg_get_triggerdef(oid) as it from pg_trigger
    union all select 'function', oid::regprocedure || ' ' || md5(prosrc) from pg_proc where pronamespace not in
      (select oid from pg_namespace where nspname in ('pg_catalog', 'information_schema'))
    union all select 'relation', oid::regclass::text from pg_class where relnamespace not in
      (select oid from pg_namespace where nspname in ('pg_catalog', 'information_schema', 'pg_toast'))
    union all select 'depend', count(*)::text from pg_depend where classid = 'pg_trigger'::regclass
    order by 1, 2`)
  return rows
}

export { postgres }
