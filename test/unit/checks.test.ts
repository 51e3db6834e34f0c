import assert from 'node:assert/strict'
import { tmpdir } from 'node:os'
import { test } from 'node:test'
import { type ChecksDeps, runChecks } from '../../src/app/checks.ts'
import { createMemoryOutbox } from '../../src/outbox/memory.ts'
import { createMemoryQueue } from '../../src/queue/memory.ts'
import { createMemoryStore } from '../../src/store/memory/store.ts'

const parts: ChecksDeps = {
  store: createMemoryStore(),
  queue: createMemoryQueue(),
  outboxes: () => [createMemoryOutbox()],
  problems: () => [],
  stateFolder: tmpdir(),
  excess: [],
}
const gone = async (): Promise<never> => {
  throw new Error('gone')
}

/** What is wrong, and whether the process is ready all the same. */
async function wrong(more: Partial<ChecksDeps>): Promise<readonly string[]> {
  const checks = await runChecks({ ...parts, ...more })
  assert.deepEqual(
    checks.map(({ name }) => name),
    ['postgres', 'queue', 'outbox ledger', 'triggers', 'disk', 'database role'],
  )
  return checks
    .filter(({ ok }) => !ok)
    .map(({ name, detail, advisory }) => `${name}: ${detail}${advisory ? ', ready' : ''}`)
}

test('all is well', async () => {
  assert.deepEqual(await wrong({}), [])
})

test('without the ledger nothing can be taken in', async () => {
  assert.deepEqual(await wrong({ store: { ...parts.store, ping: gone } }), ['postgres: gone'])
  const ahead = async (clockOffsetMs: number) =>
    wrong({ store: { ...parts.store, ping: async () => ({ ms: 1, databaseMs: 0, clockOffsetMs }) } })
  assert.deepEqual(await ahead(60_000), [])
  assert.deepEqual(await ahead(60_001), ['postgres: clock is 60001 ms ahead of ours'])
})

test('what the ledger can wait for keeps nobody from being ready', async () => {
  assert.deepEqual(await wrong({ queue: { ...parts.queue, ping: gone } }), ['queue: gone, ready'])
  const held = (oldestMs: number) => () => [
    { ...createMemoryOutbox(), depth: async () => ({ rows: 3, oldestMs }) },
  ]
  assert.deepEqual(await wrong({ outboxes: held(60_000) }), [])
  assert.deepEqual(await wrong({ outboxes: held(60_001) }), [
    'outbox ledger: 3 rows wait, the oldest for 60 s, ready',
  ])
  const problem = { functionId: 'a', label: 'x', message: 'y' }
  assert.deepEqual(await wrong({ problems: () => [problem] }), [
    'triggers: 1 declared triggers are not served, ready',
  ])
})

test('a part that does not answer takes no answer from the others', async () => {
  const outbox = { ...createMemoryOutbox(), depth: () => new Promise<never>(() => undefined) }
  assert.deepEqual(await wrong({ outboxes: () => [outbox] }), [
    'outbox ledger: no answer within 2000 ms, ready',
  ])
})

test('a disk that cannot be looked at is told', async () => {
  const [, , , , disk] = await runChecks({ ...parts, stateFolder: '/nowhere' })
  assert.equal(disk?.ok, false)
})

test('a role that may do too much is told of, and is no problem', async () => {
  const checks = await runChecks({ ...parts, excess: ['is a superuser', 'may make roles'] })
  const { ok, detail, fix } = checks.at(-1) ?? {}
  assert.deepEqual([ok, detail], [true, 'more than it needs: is a superuser, may make roles'])
  assert.match(fix ?? '', /tappet db grants/)
})
