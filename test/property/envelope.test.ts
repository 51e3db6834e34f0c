import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import fc from 'fast-check'
import pg from 'pg'
import { parseCloudEvents, toCloudEvent } from '../../src/events/cloudevents.ts'
import type { Envelope } from '../../src/events/envelope.ts'
import { silentLogger } from '../../src/lib/log.ts'
import { createMemoryStore } from '../../src/store/memory/store.ts'
import { migrate } from '../../src/store/migrate.ts'
import { createPool } from '../../src/store/postgres/pool.ts'
import { createPostgresStore } from '../../src/store/postgres/store.ts'
import type { Store } from '../../src/store/store.ts'
import { makeEvent } from '../support/make.ts'
import { propertyRuns } from '../support/property.ts'
import { type TestDatabase, testDatabase } from '../support/services.ts'

/** What CloudEvents allows in an attribute: anything but control characters and lone surrogates. */
const attribute = fc
  .string({ minLength: 1, maxLength: 60, unit: 'binary' })
  .filter((text) => !/[\p{Cc}\p{Cs}\p{Cn}]/u.test(text))

const json = fc.jsonValue({ maxDepth: 5, stringUnit: 'binary' })
const envelope: fc.Arbitrary<Envelope> = fc
  .record({
    id: attribute,
    source: attribute,
    type: attribute,
    subject: fc.option(attribute, { nil: undefined }),
    time: fc
      .date({ noInvalidDate: true, min: new Date(0), max: new Date('2999-12-31') })
      .map((date) => date.toISOString()),
    data: json,
    request: fc.option(fc.dictionary(fc.string({ unit: 'binary' }), json), { nil: undefined }),
  })
  .map(({ subject, request, ...rest }) => ({
    specversion: '1.0' as const,
    ...rest,
    ...(subject === undefined ? {} : { subject }),
    ...(request === undefined ? {} : { request }),
  }))

/** Through a memory twin and through Postgres, what goes in comes out, to the last character of its JSON. */
async function comesBack(store: Store, sent: Envelope): Promise<void> {
  const made = makeEvent({ envelope: sent })
  const { eventId, jobs } = await store.accept(made)
  const job = jobs[0]
  if (!job) return assert.ok((await store.event(eventId)) !== null, 'a name that came twice')
  const claim = await store.claim(job, 'wrk_a')
  assert.deepEqual(JSON.parse(JSON.stringify(claim?.event)), JSON.parse(JSON.stringify(sent)))
  assert.equal(JSON.stringify(claim?.event.data), JSON.stringify(sent.data))
}

describe('an envelope', () => {
  let database: TestDatabase
  let store: Store

  before(async () => {
    database = await testDatabase()
    const client = new pg.Client(database.url)
    await client.connect()
    await migrate(client, 'ledger')
    await client.end()
    store = createPostgresStore(createPool({ url: database.url, logger: silentLogger }))
  })
  after(async () => {
    await store.close()
    await database.drop()
  })

  test('comes out of the memory ledger as it went in', async () => {
    const memory = createMemoryStore()
    await fc.assert(
      fc.asyncProperty(envelope, (sent) => comesBack(memory, sent)),
      propertyRuns(),
    )
  })

  test('comes out of the Postgres ledger as it went in', async () => {
    await fc.assert(
      fc.asyncProperty(envelope, (sent) => comesBack(store, sent)),
      propertyRuns(),
    )
  })

  test('is the same after a trip as a CloudEvent', () => {
    const property = fc.property(envelope, (sent) => {
      const body = JSON.stringify(toCloudEvent(sent))
      const headers = { 'content-type': 'application/cloudevents+json' }
      const [back] = parseCloudEvents(headers, Buffer.from(body))
      const { specversion, id, source, type, subject, time, data } = back as Envelope
      const { request: _, ...wanted } = sent as Envelope & { request?: unknown }
      assert.deepEqual(
        { specversion, id, source, type, ...(subject !== undefined && { subject }), time, data },
        JSON.parse(JSON.stringify(wanted)),
      )
    })
    fc.assert(property, propertyRuns())
  })
})
