import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { startEmbeddedPostgres } from '../../src/embedded/postgres.ts'
import { eventually } from '../support/eventually.ts'
import { makeProject, ORACLE, type Project, type Running } from '../support/project.ts'
import { startRedis } from '../support/redis-server.ts'
import { noRedis, testDatabase } from '../support/services.ts'

const FUNCTIONS = {
  'functions/note.ts': `import { defineFunction, http } from 'tappet'
${ORACLE}
export default defineFunction({ on: http.post('/note') }, (event) => {
  oracle((event.data as { name: string }).name)
})
`,
}

const OUTAGE_MS = 3_000

/** Posts one note after the other, and remembers which were acknowledged. */
function startLoad(app: Running): { acknowledged: Set<string>; refused: Set<string>; stop(): Promise<void> } {
  const [acknowledged, refused] = [new Set<string>(), new Set<string>()]
  let going = true
  const post = async (name: string): Promise<void> => {
    const headers = { 'content-type': 'application/json', 'idempotency-key': name }
    const request = { method: 'POST', headers, body: JSON.stringify({ name }) }
    const status = await fetch(new URL('/note', app.url), request).then(
      (response) => response.status,
      () => 0,
    )
    ;(status === 202 ? acknowledged : refused).add(name)
    assert.ok([202, 503, 0].includes(status), `status ${status}`)
  }
  const caller = async (_: unknown, id: number): Promise<void> => {
    for (let i = 0; going; i++) await post(`n${id}-${i}`)
  }
  const callers = Promise.all(Array.from({ length: 4 }, caller))
  return {
    acknowledged,
    refused,
    async stop() {
      going = false
      await callers
    },
  }
}

async function assertNothingLost(
  project: Project,
  { acknowledged }: { acknowledged: Set<string> },
): Promise<void> {
  await eventually(
    async () => {
      const seen = new Set(await project.oracle())
      return [...acknowledged].every((name) => seen.has(name))
    },
    'every acknowledged note has run',
    60_000,
  )
  const lines = await project.oracle()
  const again = lines.length - new Set(lines).size
  assert.ok(again <= 40, `${again} notes ran twice: more than can have been in flight`)
}

const pauseMs = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))

describe('Postgres goes away under load', () => {
  let folder: string
  let project: Project
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'tappet-outage-'))
    project = await makeProject(FUNCTIONS)
  })
  after(async () => {
    await project.remove()
    await rm(folder, { recursive: true })
  })

  it('G1, G6: and comes back: what was acknowledged runs, what was not was refused, and it accepts again within 10 s', async () => {
    const first = await startEmbeddedPostgres({ folder })
    const app = await project.start({ DATABASE_URL: first.url })
    const load = startLoad(app)
    await eventually(() => load.acknowledged.size > 50, 'some notes are acknowledged')
    await first.stop()
    await eventually(() => load.refused.size > 0, 'notes are refused')
    await pauseMs(OUTAGE_MS)
    const second = await startEmbeddedPostgres({ folder, port: first.port })
    const before = load.acknowledged.size
    await eventually(() => load.acknowledged.size > before, 'a note is acknowledged again', 10_000)
    await eventually(() => load.acknowledged.size > before + 50, 'notes are acknowledged again', 15_000)
    await load.stop()
    await assertNothingLost(project, load)
    assert.equal(await app.stop(), 0)
    await second.stop()
  })
})

const probe = await startRedis()
await probe?.stop()

describe('Redis goes away under load', { skip: probe ? false : noRedis }, () => {
  let database: Awaited<ReturnType<typeof testDatabase>>
  let project: Project
  before(async () => {
    database = await testDatabase()
    project = await makeProject(FUNCTIONS)
  })
  after(async () => {
    await project.remove()
    await database.drop()
  })

  it('G1: with all that it held: everything is acknowledged as before, and runs once it is back', async () => {
    const first = await startRedis()
    assert.ok(first)
    const app = await project.start({ DATABASE_URL: database.url, REDIS_URL: first.url })
    const load = startLoad(app)
    await eventually(() => load.acknowledged.size > 50, 'some notes are acknowledged')
    await first.stop()
    const atOutage = load.acknowledged.size
    await eventually(
      () => load.acknowledged.size > atOutage + 20,
      'notes are acknowledged without Redis',
      15_000,
    )
    await pauseMs(OUTAGE_MS)
    await load.stop()
    const second = await startRedis({ port: Number(new URL(first.url).port) })
    assert.equal(load.refused.size, 0)
    await assertNothingLost(project, load)
    assert.equal(await app.stop(), 0)
    await second?.stop()
  })
})
