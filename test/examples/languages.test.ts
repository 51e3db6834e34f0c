import assert from 'node:assert/strict'
import { chmod, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import type { Catalog } from '../../src/runtime/catalog.ts'
import type { Invocation } from '../../src/runtime/runtime.ts'
import { loadLanguages, noPython, PATH, startLanguages } from '../support/languages.ts'
import {
  find,
  makeInvocation,
  makeProject,
  never,
  type ProcessHarness,
  type Project,
} from '../support/runtime.ts'

const ROOT = join(import.meta.dirname, '../..')

interface Block {
  readonly language: string
  readonly code: string
}

function blocksOf(text: string): Block[] {
  return [...text.matchAll(/^```(\w+)\n([\s\S]*?)^```/gm)].map(([, language = '', code = '']) => ({
    language,
    code,
  }))
}

/** The functions that docs/languages.md shows, each block in the file that the text names for it. */
describe('what docs/languages.md shows', { skip: noPython }, () => {
  let project: Project
  let catalog: Catalog
  let harness: ProcessHarness
  let blocks: Block[]
  before(async () => {
    blocks = blocksOf(await readFile(join(ROOT, 'docs/languages.md'), 'utf8'))
    project = await makeProject(await filesOf(blocks))
    await chmod(join(project.root, 'functions/cloud/bootstrap'), 0o755)
    catalog = await loadLanguages(project.root)
    harness = startLanguages({ environment: () => ({ PATH, SHOP_TOKEN: 't' }) })
  })
  after(async () => {
    await harness.close()
    await project.remove()
  })

  const run = (id: string, invocation: Invocation) =>
    harness.runtime.run(find(catalog, id), invocation, never)
  const messagesOf = ({ runId }: Invocation): string[] =>
    harness.logs.filter((line) => line.runId === runId).map(({ message }) => message)

  it('is used here, every block of it', () => {
    assert.deepEqual(
      blocks.map(({ language }) => language),
      ['json', 'python', 'sh', 'json', 'python', 'json', 'python', 'sh'],
    )
    assert.deepEqual(catalog.problems, [])
  })

  it('runs: a folder with a tappet.json, in Python', async () => {
    const invocation = makeInvocation(null)
    assert.deepEqual(await run('shop', invocation), { ok: true, result: { done: true } })
    assert.deepEqual(messagesOf(invocation), ['it happened'])
    const sent = harness.host.sent.filter(({ runId }) => runId === invocation.runId)
    assert.deepEqual(
      sent.map(({ queue, data, key }) => ({ queue, data, key })),
      [{ queue: 'mail', data: { to: 'a@b.co' }, key: invocation.event.id }],
    )
  })

  it('runs: a file with a header, in shell', async () => {
    const invocation = makeInvocation(null)
    assert.deepEqual(await run('hello', invocation), { ok: true, result: { hello: 'you' } })
    assert.deepEqual(messagesOf(invocation), ['attempt 1'])
  })

  it('runs: a runtime of AWS Lambda', async () => {
    const invocation = makeInvocation({ to: 'a@b.co' })
    assert.deepEqual(await run('cloud', invocation), { ok: true, result: { to: 'a@b.co' } })
  })

  it('runs: a server of HTTP', async () => {
    const invocation = makeInvocation({ to: 'a@b.co' })
    const result = { type: 'queue.message', data: { to: 'a@b.co' } }
    assert.deepEqual(await run('server', invocation), { ok: true, result })
  })

  it('runs: a program without any library', async () => {
    for (const invocation of [makeInvocation(1), makeInvocation(2)])
      assert.deepEqual(await run('bare', invocation), { ok: true, result: 'done' })
  })
})

async function filesOf(blocks: readonly Block[]): Promise<Record<string, string>> {
  const [shop, main, hello, cloud, app, server, serve, bare] = blocks.map(({ code }) => code)
  const bootstrap = await readFile(join(ROOT, 'test/support/lambda-bootstrap.py'), 'utf8')
  const declared = { runtime: 'ndjson', command: ['sh', 'main.sh'], on: { kind: 'queue', queue: 'q' } }
  return {
    ...{ 'shop/tappet.json': shop ?? '', 'shop/main.py': main ?? '', 'hello.sh': hello ?? '' },
    ...{ 'cloud/tappet.json': cloud ?? '', 'cloud/app.py': app ?? '' },
    'cloud/bootstrap': `#!/usr/bin/env python3\n${bootstrap}`,
    ...{ 'server/tappet.json': server ?? '', 'server/main.py': serve ?? '' },
    ...{ 'bare/tappet.json': JSON.stringify(declared), 'bare/main.sh': bare ?? '' },
  }
}
