import assert from 'node:assert/strict'
import { afterEach, describe, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { createVariablesCheck } from '../../src/runtime/variables-check.ts'
import type { LoadedFunction } from '../../src/runtime/runtime.ts'
import { TappetError } from '../../src/errors.ts'
import { eventually } from '../support/eventually.ts'
import { loadLanguages, startLanguages } from '../support/languages.ts'
import { find, makeInvocation, makeProject, never, type Project, startProcesses } from '../support/runtime.ts'

const ZOD = fileURLToPath(import.meta.resolve('zod'))
const VALUE = 'hunter2-and-more'
const shown = /\[secret KEY\]/

const file = (options: string, handler: string): string => `
  import { writeSync } from 'node:fs'
  import { defineFunction, queue } from 'tappet'
  import { z } from '${ZOD}'
  export default defineFunction({ on: queue('q'), ${options} }, async (event, ctx) => { ${handler} })`

let project: Project
afterEach(() => project.remove())

const environment = (fn: LoadedFunction): Record<string, string> =>
  Object.fromEntries([...fn.env, ...fn.secrets].map((name) => [name, name === 'PORT' ? '80' : VALUE]))

const run = async (code: string) => {
  project = await makeProject({ 'f.ts': code })
  const fn = find(await project.load(), 'f')
  const processes = startProcesses(project.root, { environment })
  const settled = await processes.runtime.run(fn, makeInvocation({}), never)
  await processes.close()
  return { ...processes, settled, fn }
}

describe('ctx.env', () => {
  test('has what the schema makes of the variables; process.env has them as text', async () => {
    const { settled, fn } = await run(
      file('env: z.object({ PORT: z.coerce.number(), X: z.string() })', 'return [ctx.env, process.env.PORT]'),
    )
    assert.deepEqual(settled, { ok: true, result: [{ PORT: 80, X: VALUE }, '80'] })
    assert.deepEqual([fn.env, fn.hasEnvSchema], [['PORT', 'X'], true])
  })

  test('has those of a list as they are', async () => {
    const { settled } = await run(file(`env: ['PORT'], secrets: ['KEY']`, 'return ctx.env'))
    assert.deepEqual(settled, { ok: true, result: { PORT: '80' } })
  })

  test('fails the run where a schema does not take them', async () => {
    const { settled } = await run(file('env: z.object({ KEY: z.coerce.number() })', 'return 1'))
    assert.ok(!settled.ok)
    assert.equal(settled.failure.code, 'TPT_CONFIG_INVALID')
    assert.match(settled.failure.message, /^functions\/f\.ts: environment variable KEY: .*not shown$/)
  })
})

describe('the check at the start', () => {
  test('makes functions whose variables are wrong problems, and leaves the others', async () => {
    const seen = `if (process.env.OTHER) throw new Error('sees the variables of another')`
    project = await makeProject({
      'good.ts': `${seen}\n${file('env: z.object({ PORT: z.coerce.number() })', '')}`,
      'plain.ts': file(`env: ['PORT']`, ''),
      'bad.ts': file('env: z.object({ KEY: z.url(), OTHER: z.string().max(3) })', ''),
      'ends.ts': file('env: z.object({ KEY: z.string().transform(() => process.exit(7)) })', ''),
      'unread.ts': file(`env: ['UNREAD']`, ''),
    })
    const check = createVariablesCheck({
      ...{ root: project.root, baseEnvironment: {} },
      environment(fn) {
        if (fn.env.includes('UNREAD'))
          throw new TappetError('TPT_CONFIG_INVALID', 'UNREAD_FILE must be there')
        return environment(fn)
      },
    })
    const catalog = await project.load()
    const { functions, problems } = await check(catalog)
    assert.deepEqual(
      functions.map(({ id }) => id),
      ['ends', 'good', 'plain'],
    )
    const [bad, unread] = problems
    assert.deepEqual([problems.length, bad?.file, bad?.code], [2, 'functions/bad.ts', 'TPT_CONFIG_INVALID'])
    assert.match(
      bad?.message ?? '',
      /^functions\/bad\.ts: environment variable KEY: Invalid URL, .*; environment variable OTHER: /,
    )
    assert.doesNotMatch(bad?.message ?? '', /hunter2/)
    assert.equal(unread?.message, 'functions/unread.ts: UNREAD_FILE must be there')
    assert.deepEqual(await check(catalog), { functions, problems }, 'asked once')
  })
})

describe('secrets are masked', () => {
  const masked = (text: string): void => {
    assert.match(text, shown)
    assert.doesNotMatch(text, /hunter2/)
  }
  const secret = `secrets: ['KEY'], retry: false`

  test('in lines of the log and of the console, and in their fields', async () => {
    const { logs } = await run(
      file(
        secret,
        `const { KEY } = process.env
        ctx.log.info({ url: 'https://x/?k=' + KEY, list: [{ KEY }] }, 'asked with ' + KEY)
        console.error('console', KEY)
        process.stdout.write('in two ' + KEY?.slice(0, 4)); process.stdout.write(KEY?.slice(4) + ' writes\\n')`,
      ),
    )
    assert.equal(logs.length, 3)
    for (const { message } of logs) masked(message)
    assert.deepEqual(logs[0]?.fields, { url: 'https://x/?k=[secret KEY]', list: [{ KEY: '[secret KEY]' }] })
  })

  test('in failures, with their stacks', async () => {
    const { settled } = await run(file(secret, `throw new Error('bad key ' + process.env.KEY)`))
    assert.ok(!settled.ok)
    masked(settled.failure.message)
    masked(settled.failure.stack ?? '')
  })

  test('in the last words of a process, and in what it writes past us', async () => {
    const { settled, output } = await run(
      file(secret, `writeSync(2, 'dies of ' + process.env.KEY + '\\n'); process.exit(3)`),
    )
    assert.ok(!settled.ok)
    masked(settled.failure.message)
    masked(await eventually(async () => output.join('\n') || null, 'a line of output'))
  })

  test('in other languages', async () => {
    project = await makeProject({
      'f.sh': `# tappet: { "runtime": "script", "on": { "kind": "queue", "queue": "q" }, "secrets": ["KEY"] }
echo "uses $KEY" >&2
exit 3`,
    })
    const fn = find(await loadLanguages(project.root), 'f')
    const processes = startLanguages({
      environment: (each) => ({ PATH: process.env.PATH ?? '', ...environment(each) }),
    })
    const settled = await processes.runtime.run(fn, makeInvocation({}), never)
    await processes.close()
    assert.ok(!settled.ok)
    masked(settled.failure.message)
    masked(processes.logs.map(({ message }) => message).join())
  })

  test('but not in results: those are the function’s own affair', async () => {
    const { settled } = await run(file(secret, 'return process.env.KEY'))
    assert.deepEqual(settled, { ok: true, result: VALUE })
  })
})
