import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import fc from 'fast-check'
import pg from 'pg'
import { toFailure } from '../../src/errors.ts'
import type { Envelope } from '../../src/events/envelope.ts'
import type { Subject } from '../../src/filter/fields.ts'
import { parseFilter } from '../../src/filter/filter.ts'
import { type Fact, matchesFilter, textAt } from '../../src/filter/matches.ts'
import { idAt } from '../../src/lib/id.ts'
import { silentLogger } from '../../src/lib/log.ts'
import type { Job } from '../../src/queue/queue.ts'
import { migrate } from '../../src/store/migrate.ts'
import { createPool } from '../../src/store/postgres/pool.ts'
import { createPostgresReader } from '../../src/store/postgres/reader/reader.ts'
import { createPostgresStore } from '../../src/store/postgres/store.ts'
import type { ListedEvent, ListedLog, ListedRun, Reader } from '../../src/store/reader.ts'
import type { Claim, Outcome, Store } from '../../src/store/store.ts'
import { filterTexts } from '../support/filters.ts'
import { makeEnvelope, makeEvent, makeRun } from '../support/make.ts'
import { propertyRuns } from '../support/property.ts'
import { testDatabase } from '../support/services.ts'

/** Of every kind that a filter can ask for, with values that the random filters use. */
const PAYLOADS: readonly Partial<Envelope>[] = [
  { type: 'http.request', source: 'acme', data: { tenant: 'acme', total: 12 } },
  {
    type: 'cron.tick',
    source: '/cron',
    subject: 'b "q"',
    data: { tenant: 'b "q"', tags: ['acme', 'é'], total: 2.5 },
  },
  { type: 'queue.message', source: 'é', data: { deep: { key: 'Mail/Send' }, tenant: true, total: '12' } },
  { type: 'postgres.insert', source: '/pg', data: { tenant: null, deep: { key: 'a\u0000b' }, total: -3 } },
  { type: 'upload.created', source: '/u', data: { tenant: 'x,y', tags: [{ a: 1 }], deep: { key: 'it\\s' } } },
  { type: 'queue.message', source: '/q', data: 'timed out' },
]
const FUNCTIONS = ['acme', 'Mail/Send', 'orders/place', 'é']

let database: Awaited<ReturnType<typeof testDatabase>>
let client: pg.Client
let pool: pg.Pool
let store: Store
let reader: Reader

before(async () => {
  database = await testDatabase()
  client = new pg.Client(database.url)
  await client.connect()
  await migrate(client, 'ledger')
  pool = createPool({ url: database.url, logger: silentLogger })
  store = createPostgresStore(pool)
  reader = createPostgresReader(pool)
})
after(async () => {
  await store.close()
  await client.end()
  await database.drop()
})

async function empty(): Promise<void> {
  await client.query('truncate tappet.events, tappet.runs, tappet.attempts, tappet.logs')
}

async function accept(functionId: string, more: Partial<Envelope> = {}, cause?: string): Promise<Job> {
  const runs = [makeRun({ functionId })]
  const event = makeEvent({ envelope: makeEnvelope(more), runs, ...(cause !== undefined && { cause }) })
  const { jobs } = await store.accept(event)
  return jobs[0] as Job
}

async function attempt(job: Job, outcome: Outcome, version = 'v1'): Promise<void> {
  const claim = (await store.claim(job, 'wrk_a')) as Claim
  const { runId, functionId, lease, attempt: number, order } = claim
  assert.ok(
    await store.finish({ runId, functionId, lease, attempt: number, order, outcome, version, durationMs: 1 }),
  )
}

function failed(message: string): Outcome {
  return {
    kind: 'dead',
    failure: toFailure(Object.assign(new Error(message), { stack: 'Error\n  at send (mail.ts:1:2)' })),
  }
}

const OUTCOMES: readonly (Outcome | 'cancel' | 'open' | 'running')[] = [
  { kind: 'completed', result: 1 },
  failed('timed out after 12 s'),
  failed('100%_ it\\s b "q"'),
  failed('nul \u0000'),
  { kind: 'retry', failure: toFailure(new Error('Mail/Send acme')), delayMs: 60_000 },
  ...(['cancel', 'open', 'running'] as const),
]

async function fill(): Promise<void> {
  await empty()
  for (const [i, outcome] of OUTCOMES.entries()) {
    for (const [j, payload] of PAYLOADS.entries()) {
      const job = await accept(
        FUNCTIONS[(i + j) % FUNCTIONS.length] ?? '',
        payload,
        j === 2 ? 'acme' : undefined,
      )
      if (outcome === 'cancel') await store.cancel(job.runId)
      else if (outcome === 'running') await store.claim(job, 'acme')
      else if (outcome !== 'open') await attempt(job, outcome, j === 1 ? '12' : 'v1')
      await store.appendLogs([
        {
          runId: job.runId,
          attempt: j,
          time: '2026-11-20T12:00:00Z',
          level: LEVELS[i % 4] ?? 'info',
          message: WORDY[j] ?? '',
          fields: null,
        },
      ])
    }
  }
  // Times that the bounds of the random filters fall between.
  await client.query(`
    update tappet.runs r set created_at = '2026-11-20T12:00:00Z'::timestamptz + n * interval '1 s',
           started_at = started_at - n * interval '1 s'
      from (select id, row_number() over (order by id) - 20 as n from tappet.runs) t where t.id = r.id`)
  await client.query(`
    update tappet.events e set received_at = '2026-11-20T12:00:00Z'::timestamptz + n * interval '1 s'
      from (select id, row_number() over (order by id) - 20 as n from tappet.events) t where t.id = e.id`)
  // Ids as they would be, had they been made then.
  const [event, run] = (['evt', 'run'] as const).map((prefix) =>
    idAt(prefix, Date.parse('2026-11-20T12:00:00Z')),
  )
  await client.query(`
    update tappet.events set id = '${event}' || substr(id, 15);
    update tappet.runs set event = '${event}' || substr(event, 15), id = '${run}' || substr(id, 15);
    update tappet.attempts set run = '${run}' || substr(run, 15);
    update tappet.logs set run = '${run}' || substr(run, 15)`)
}

const LEVELS = ['debug', 'info', 'warn', 'error'] as const
const WORDY = ['acme', 'b "q" Mail/Send', 'x,y', 'é', 'timed out', '100%_ it\\s']

const all = (subject: Subject) => ({ filter: parseFilter('', subject), limit: 500 })

function durationOf({ startedAt, finishedAt }: ListedRun): number | null {
  return startedAt && finishedAt ? finishedAt.getTime() - startedAt.getTime() : null
}

function failureText({ failure }: ListedRun): string | null {
  if (!failure) return null
  const part = (key: string) => textAt(failure, [key])
  return [part('code'), part('name'), part('message')].filter((text) => text !== null).join(' ')
}

async function factsOfRuns(): Promise<Map<string, (field: string, path: readonly string[]) => Fact>> {
  const facts = new Map<string, (field: string, path: readonly string[]) => Fact>()
  const causes = new Map((await reader.events(all('events'))).map(({ id, cause }) => [id, cause]))
  for (const run of await reader.runs(all('runs'))) {
    const event = (await store.event(run.eventId))?.envelope as Envelope
    const versions = (await store.attempts(run.id)).flatMap(({ version }) => version ?? [])
    const { specversion: _1, id: _2, source, type, subject, time: _3, ...payload } = event
    const error = failureText(run)
    const known: Record<string, Fact> = {
      ...{ status: run.state, function: run.functionId, id: run.id, event: run.eventId, bulk: run.bulk },
      ...{ since: run.createdAt.getTime(), until: run.createdAt.getTime(), duration: durationOf(run) },
      ...{ error, fingerprint: run.fingerprint, attempt: run.attempt, worker: run.worker, version: versions },
      ...{
        trigger: type.split('.')[0] ?? '',
        type,
        source,
        subject: subject ?? null,
        cause: causes.get(run.eventId) ?? null,
      },
      text: [run.id, run.functionId, error].filter((part) => part !== null).join(' '),
    }
    facts.set(run.id, (field, path) =>
      field === 'data' ? textAt(payload, ['data', ...path]) : (known[field] ?? null),
    )
  }
  return facts
}

function factsOfEvent(event: ListedEvent, data: unknown): (field: string, path: readonly string[]) => Fact {
  const { id, type, source, subject, cause, runs, receivedAt } = event
  const at = receivedAt.getTime()
  const known: Record<string, Fact> = {
    ...{ id, type, source, subject, cause, since: at, until: at, trigger: type.split('.')[0] ?? '' },
    function: runs.map(({ functionId }) => functionId),
    text: [id, type, source, subject].filter((part) => part !== null).join(' '),
  }
  return (field, path) => (field === 'data' ? textAt({ data }, ['data', ...path]) : (known[field] ?? null))
}

function factsOfLog(line: ListedLog, functionId: string | null): (field: string) => Fact {
  const { level, runId, attempt: number, message, time } = line
  const at = Date.parse(time)
  const known: Record<string, Fact> = { level, run: runId, attempt: number, message, text: message }
  return (field) => ({ ...known, since: at, until: at, function: functionId })[field] ?? null
}

describe('what people ask the ledger in Postgres', () => {
  it('selects runs as the filter in memory does', async () => {
    await fill()
    const facts = await factsOfRuns()
    assert.equal(facts.size, OUTCOMES.length * PAYLOADS.length)
    let found = 0
    const agrees = fc.asyncProperty(filterTexts('runs'), async (text) => {
      const filter = parseFilter(text, 'runs')
      const got = (await reader.runs({ filter, limit: 500 })).map(({ id }) => id).toSorted()
      const wanted = [...facts]
        .filter(([, read]) => matchesFilter(filter, read, Date.now()))
        .map(([id]) => id)
      assert.deepEqual(got, wanted.toSorted(), text)
      assert.deepEqual(await reader.countRuns(filter), { count: got.length, exact: true })
      if (got.length > 0 && got.length < facts.size) found++
    })
    await fc.assert(agrees, propertyRuns())
    assert.ok(found > 20, `only ${found} filters chose some and not all`)
  })

  it('selects events and log lines as the filter in memory does', async () => {
    await fill()
    const events = await reader.events(all('events'))
    const logs = await reader.logs(all('logs'))
    const payloads = new Map(
      await Promise.all(events.map(async ({ id }) => [id, (await store.event(id))?.envelope] as const)),
    )
    const functionOf = new Map((await reader.runs(all('runs'))).map(({ id, functionId }) => [id, functionId]))
    const agrees = fc.asyncProperty(filterTexts('events'), filterTexts('logs'), async (one, two) => {
      const [ofEvents, ofLogs] = [parseFilter(one, 'events'), parseFilter(two, 'logs')]
      const wantedEvents = events.filter((event) =>
        matchesFilter(ofEvents, factsOfEvent(event, payloads.get(event.id)?.data), 0),
      )
      const found = await reader.events({ filter: ofEvents, limit: 500 })
      assert.deepEqual(
        found.map(({ id }) => id),
        wantedEvents.map(({ id }) => id),
        one,
      )
      const wantedLogs = logs.filter((line) =>
        matchesFilter(ofLogs, factsOfLog(line, functionOf.get(line.runId) ?? null), 0),
      )
      const lines = await reader.logs({ filter: ofLogs, limit: 500 })
      assert.deepEqual(
        lines.map(({ seq }) => seq),
        wantedLogs.map(({ seq }) => seq),
        two,
      )
    })
    await fc.assert(agrees, propertyRuns())
  })

  it('pages through runs and events', async () => {
    await fill()
    for (const list of [reader.runs, reader.events] as const) {
      const subject = list === reader.runs ? 'runs' : 'events'
      const whole = (await list(all(subject))).map(({ id }) => id)
      const pages: string[] = []
      for (let after: string | undefined; ;) {
        const page = await list({ ...all(subject), limit: 7, ...(after !== undefined && { after }) })
        pages.push(...page.map(({ id }) => id))
        after = page.at(-1)?.id
        if (page.length < 7) break
      }
      assert.deepEqual(pages, whole)
    }
  })

  it('pages back through log lines, and follows them from where one was', async () => {
    await fill()
    const [newest, second] = await reader.logs({ filter: parseFilter('', 'logs'), limit: 2 })
    const older = await reader.logs({ filter: parseFilter('', 'logs'), limit: 1, before: newest?.seq ?? '' })
    assert.equal(older[0]?.seq, second?.seq)
    const next = await reader.logs({ filter: parseFilter('', 'logs'), limit: 5, after: second?.seq ?? '' })
    assert.deepEqual(
      next.map(({ seq }) => seq),
      [newest?.seq],
    )
  })

  it('groups failures by what they have in common, and knows the version of the first', async () => {
    await empty()
    for (const [message, version] of [
      ['mailbox 7 of "ann" is full', 'v1'],
      ['mailbox 9 of "bob" is full', 'v2'],
      ['greylisted', 'v2'],
    ] as const)
      await attempt(await accept('mail'), failed(message), version)
    await attempt(await accept('other'), failed('greylisted'), 'v9')
    const dead = await reader.deadGroups('mail')
    assert.deepEqual(
      dead.map(({ message, count }) => [message, count]),
      [
        ['mailbox … of … is full', 2],
        ['greylisted', 1],
      ],
    )
    assert.equal((await reader.deadGroups(null)).length, 3)
    const sample = dead[0]?.fingerprint ?? ''
    assert.equal(
      (await reader.runs({ ...all('runs'), filter: parseFilter(`fingerprint:${sample}`, 'runs') })).length,
      2,
    )
    const [errors] = await reader.errorGroups({ sinceMs: 3_600_000 })
    assert.deepEqual([errors?.count, errors?.firstVersion, errors?.lastVersion], [2, 'v1', 'v2'])
  })

  it('follows cause and effect in both directions', async () => {
    await empty()
    const first = await accept('a')
    const second = await accept('b', {}, first.runId)
    const third = await accept('c', {}, second.runId)
    await accept('stranger')
    for (const { runId } of [first, second, third]) {
      const { events, cut } = await reader.chain(runId)
      assert.deepEqual(
        events.map(({ runs, cause }) => [runs[0]?.functionId, cause]),
        [
          ['a', null],
          ['b', first.runId],
          ['c', second.runId],
        ],
      )
      assert.equal(cut, false)
    }
    // A circle, which only a hand in the database can make.
    await client.query(
      'update tappet.events set cause = $1 where id = (select event from tappet.runs where id = $2)',
      [third.runId, first.runId],
    )
    assert.equal((await reader.chain(second.runId)).events.length, 3)
  })

  it('counts what functions, queues, workers and the last hour come to', async () => {
    await empty()
    await store.heartbeat({ id: 'wrk_a', host: 'here', pid: 7 }, [])
    for (let i = 0; i < 3; i++) await attempt(await accept('mail'), { kind: 'completed', result: null })
    await attempt(await accept('mail'), failed('no'))
    const job = await accept('mail')
    await store.claim(await accept('mail'), 'wrk_a')
    await store.markQueued([job])
    const stats = await reader.functionStats()
    assert.deepEqual(
      stats.map(({ completed, dead, success, lastError }) => [completed, dead, success, lastError]),
      [[3, 1, 0.75, 'no']],
    )
    for (const { p50Ms, p95Ms } of stats) assert.ok(Number(p95Ms) >= Number(p50Ms))
    const [queue] = await reader.queues()
    const { oldestMs, ...counts } = queue ?? { oldestMs: null }
    assert.deepEqual(counts, { functionId: 'mail', waiting: 1, running: 1, later: 0 })
    assert.ok(Number(oldestMs) >= 0)
    const workers = await reader.workers()
    assert.deepEqual(
      workers.map(({ id, running }) => [id, running]),
      [['wrk_a', 1]],
    )
    const minutes = await reader.minutes()
    assert.equal(minutes.length, 60)
    assert.equal(
      minutes.reduce((sum, { completed }) => sum + completed, 0),
      3,
    )
    const buckets = await reader.histogram(parseFilter('function:mail', 'runs'), {
      sinceMs: 3_600_000,
      buckets: 12,
    })
    assert.equal(buckets.length, 12)
    const sum = (key: 'completed' | 'dead' | 'open') =>
      buckets.reduce((total, bucket) => total + bucket[key], 0)
    assert.deepEqual([sum('completed'), sum('dead'), sum('open')], [3, 1, 2])
  })
})

/** Every kind of run, made by the database itself, because one by one it would take minutes. */
const MANY = `
  insert into tappet.runs (id, event, function_id, trigger, state, max_attempts, attempt, created_at, due_at, started_at, finished_at, failure, fingerprint)
  select 'run_' || lpad(n::text, 26, '0'), 'evt_' || lpad(n::text, 26, '0'), 'fn/' || n % 20, 0,
         case when n % 100 = 0 then 'dead' when n % 1000 = 1 then 'cancelled' when n % 5000 = 2 then 'retrying' else 'completed' end,
         3, 1, now() - (100000 - n) * interval '1 s', now(), now() - (100000 - n) * interval '1 s', case when n % 5000 <> 2 then now() - (100000 - n) * interval '1 s' end,
         case when n % 100 = 0 or n % 5000 = 2 then '{"name":"Error","message":"timed out"}'::json end, case when n % 100 = 0 then 'f1' end
    from generate_series(1, 100000) n`

describe('lists of 100,000 runs', () => {
  const filters = [
    ...[
      '',
      'status:dead',
      'status:failed',
      'status:completed',
      'status:cancelled',
      'function:fn/7',
      'bulk:bulk_1',
    ],
    ...['function:fn/0 status:dead', 'error~"timed out"', 'error~nowhere', 'status:open', 'status:running'],
    ...['id:run_00000000000000000000050000', 'event:evt_00000000000000000000050000'],
  ]

  before(async () => {
    await empty()
    await client.query(MANY)
    await client.query('analyze tappet.runs')
  })

  for (const text of filters) {
    it(`finds '${text}' by an index`, async () => {
      const plans: string[] = []
      const explaining = {
        query: async ({ text: sql, values }: { text: string; values: unknown[] }) => {
          const { rows } = await client.query<{ 'QUERY PLAN': string }>(`explain ${sql}`, values)
          plans.push(rows.map((row) => row['QUERY PLAN']).join('\n'))
          return { rows: [] }
        },
      } as unknown as pg.Pool
      await createPostgresReader(explaining).runs({ filter: parseFilter(text, 'runs'), limit: 50 })
      assert.equal(plans.length, 1)
      assert.doesNotMatch(plans[0] ?? '', /Seq Scan on runs/)
    })
  }

  it('says only about how many there are, beyond 10,000', async () => {
    assert.deepEqual(await reader.countRuns(parseFilter('', 'runs')), { count: 10_000, exact: false })
    assert.deepEqual(await reader.countRuns(parseFilter('status:dead', 'runs')), {
      count: 1_000,
      exact: true,
    })
  })
})
