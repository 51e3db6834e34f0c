import assert from 'node:assert/strict'
import { mkdir, readdir, readFile, realpath, rm, utimes, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after, afterEach, before, describe, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { pathToFileURL } from 'node:url'
import type { Catalog } from '../../src/runtime/catalog.ts'
import { loadCatalog } from '../../src/runtime/catalog.ts'
import { createDescriber, type Describe } from '../../src/runtime/describer.ts'
import { eventually } from '../support/eventually.ts'
import { find, makeInvocation, makeProject, never, type Project, startProcesses } from '../support/runtime.ts'

const ZOD = fileURLToPath(import.meta.resolve('zod'))

const on = (options: string, handler = '() => null'): string =>
  `import { defineFunction, queue } from 'tappet'\nexport default defineFunction({ on: queue('q'), ${options} }, ${handler})\n`

const plain = on('')

describe('the catalog', () => {
  let project: Project
  afterEach(() => project.remove())

  test('finds functions by their path, with every default filled in', async () => {
    project = await makeProject({ 'orders/place.ts': plain })
    const { functions, problems } = await project.load()
    assert.deepEqual(problems, [])
    const [{ bundle, version, ...declared } = assert.fail()] = functions
    assert.match(version, /^[0-9a-f]{12}$/)
    assert.equal(bundle, join(project.root, `.tappet/build/orders/place-${version}.cjs`))
    assert.deepEqual(declared, {
      id: 'orders/place',
      file: 'functions/orders/place.ts',
      triggers: [{ kind: 'queue', label: 'queue q', queue: 'q', schemas: [] }],
      retry: { attempts: 5, delayMs: 1_000, factor: 2, maxDelayMs: 300_000, jitter: 0.2 },
      timeoutMs: 30_000,
      concurrency: null,
      ...{ instanceConcurrency: 10, maxInstances: null, provisioned: 0, memoryMb: 512, maxProcesses: 64 },
      ...{ env: [], hasEnvSchema: false, secrets: [] },
      ...{ isolation: 'process', network: false },
      database: null,
      hasIdempotencyKey: false,
      hasOrderingKey: false,
    })
  })

  test('takes all that a file declares', async () => {
    project = await makeProject({
      'all.ts': `
        import { defineFunction, http, postgres, cron, upload, signature } from 'tappet'
        import { z } from '${ZOD}'
        const row = z.object({ id: z.number() })
        export default defineFunction({
          on: [
            http.post('/a/:id', { body: row, query: row, wait: '5s', verify: signature.github('SECRET') }),
            postgres.table('t', { row }).onUpdate({ of: ['id'], when: 'new.id > 1' }),
            cron('* * * * *'), upload('x/**'),
          ],
          retry: { attempts: 2, delay: '500ms', factor: 1, maxDelay: '1h', jitter: 0 },
          timeout: '1.5s', concurrency: 3, env: ['A_1', 'b'], database: 'OTHER_URL',
          idempotencyKey: (event) => event.id,
        }, () => null)`,
      'once.mjs': on('retry: false'),
    })
    const catalog = await project.load()
    assert.deepEqual(catalog.problems, [])
    const all = find(catalog, 'all')
    assert.deepEqual(
      all.triggers.map(({ kind, schemas }) => [kind, schemas]),
      [
        ['http', ['data', 'request.query']],
        ['postgres', ['data', 'change.before', 'change.after']],
        ['cron', []],
        ['upload', []],
      ],
    )
    assert.deepEqual(all.triggers[0]?.samples, { data: { id: 42 }, 'request.query': { id: 42 } })
    assert.deepEqual(all.retry, { attempts: 2, delayMs: 500, factor: 1, maxDelayMs: 3_600_000, jitter: 0 })
    assert.deepEqual([all.timeoutMs, all.concurrency, all.env], [1_500, 3, ['A_1', 'b']])
    assert.deepEqual([all.database, all.hasIdempotencyKey], ['OTHER_URL', true])
    assert.equal(find(catalog, 'once').retry.attempts, 1)
  })

  test('passes over what is no function: tests, types, hidden files, helpers', async () => {
    const names = [
      '_lib.ts',
      '.hidden.ts',
      '_private/a.ts',
      '.git/a.ts',
      'node_modules/x/a.ts',
      'a.test.ts',
      'types.d.ts',
    ]
    const files = Object.fromEntries(names.map((name) => [name, 'export default 1 +']))
    project = await makeProject({
      ...files,
      'readme.md': '# no code',
      'helper.ts': 'export const greet = (name: string) => `hello ${name}`\nexport default { options: 1 }',
      'real.js': plain,
      'real2.mts': plain,
    })
    const { functions, problems } = await project.load()
    assert.deepEqual(problems, [])
    assert.deepEqual(
      functions.map(({ id }) => id),
      ['real', 'real2'],
    )
  })

  describe('says what is wrong, one sentence each, and loads the rest', () => {
    const load = `import { defineFunction, queue } from 'tappet'\n`
    const wrong: Readonly<Record<string, readonly [source: string, message: RegExp | string]>> = {
      'bad timeout': [on(`timeout: '30 sec' as any`), "`timeout` must be like '30s', got '30 sec'"],
      'timeout 0': [on(`timeout: '0s'`), "`timeout` must be like '30s', got '0s'"],
      'timeout number': [on('timeout: 30 as any'), "`timeout` must be like '30s', got 30"],
      'timeout too long': [on(`timeout: '30d'`), "`timeout` must be like '30s', got '30d'"],
      'attempts 0': [
        on('retry: { attempts: 0 }'),
        '`retry.attempts` must be a whole number from 1 on, got 0',
      ],
      'attempts 1.5': [
        on('retry: { attempts: 1.5 }'),
        '`retry.attempts` must be a whole number from 1 on, got 1.5',
      ],
      'attempts NaN': [
        on('retry: { attempts: NaN }'),
        '`retry.attempts` must be a whole number from 1 on, got NaN',
      ],
      'factor 0.5': [on('retry: { factor: 0.5 }'), '`retry.factor` must be a number from 1 on, got 0.5'],
      'jitter 2': [on('retry: { jitter: 2 }'), '`retry.jitter` must be a number from 0 to 1, got 2'],
      'bad delay': [on(`retry: { delay: 'soon' as any }`), "`retry.delay` must be like '1s', got 'soon'"],
      'retry true': [on('retry: true as any'), '`retry` must be false or an object, got true'],
      'unknown retry': [
        on('retry: { tries: 3 } as any'),
        '`retry.tries` is no option; there are attempts, delay, factor, maxDelay, jitter',
      ],
      'unknown option': [
        on('timeOut: 3 as any'),
        '`timeOut` is no option; there are on, retry, timeout, concurrency, instanceConcurrency, maxInstances, provisioned, memory, maxProcesses, idempotencyKey, orderingKey, isolation, network, env, secrets, database',
      ],
      'concurrency 0': [on('concurrency: 0'), '`concurrency` must be a whole number from 1 on, got 0'],
      'concurrency bigint': [
        on('concurrency: 3n as any'),
        '`concurrency` must be a whole number from 1 on, got 3',
      ],
      'key text': [on(`idempotencyKey: 'id' as any`), "`idempotencyKey` must be a function, got 'id'"],
      'order text': [on(`orderingKey: 7 as any`), '`orderingKey` must be a function, got 7'],
      'env object': [
        on(`env: { A: '1' } as any`),
        '`env` must be a list of names of environment variables, or a schema of an object of them, got {"A":"1"}',
      ],
      'env name': [
        on(`env: ['A=1']`),
        '`env` must be a list of names of environment variables, or a schema of an object of them, got ["A=1"]',
      ],
      'env schema of no object': [
        `import { z } from '${ZOD}'\n${on('env: z.string() as any')}`,
        '`env` must be a schema of an object with a property for each variable, got one without any',
      ],
      'secret name': [
        on(`secrets: 'A' as any`),
        "`secrets` must be a list of names of environment variables, got 'A'",
      ],
      'database url': [
        on(`database: 'postgres://x'`),
        "`database` must be the name of an environment variable, got 'postgres://x'",
      ],
      'no on': [
        `${load}export default defineFunction({} as any, () => null)`,
        "`on` must be a trigger, such as http.post('/orders'), or a list of them, got nothing",
      ],
      'empty on': [
        `${load}export default defineFunction({ on: [] }, () => null)`,
        "`on` must be a trigger, such as http.post('/orders'), or a list of them, got none",
      ],
      'on text': [
        `${load}export default defineFunction({ on: ['a', queue('b')] } as any, () => null)`,
        "`on[0]` must be a trigger, such as http.post('/orders'), or a list of them, got 'a'",
      ],
      'on table': [
        `import { defineFunction, postgres } from 'tappet'
         export default defineFunction({ on: postgres.table('t') } as any, () => null)`,
        "`on` must be a trigger, such as http.post('/orders'), or a list of them, got an object",
      ],
      'no schema': [
        `${load}export default defineFunction({ on: queue('b', { data: { type: 'object' } as any }) }, () => null)`,
        'the schema of `data` in `on` must be a Standard Schema (zod, valibot, arktype), got {"type":"object"}',
      ],
      'no handler': [
        `${load}export default (defineFunction as any)({ on: queue('b') })`,
        'the handler (second argument) must be a function, got undefined',
      ],
      'no options': [
        `${load}export default (defineFunction as any)(undefined, () => null)`,
        'the options (first argument) must be an object, got nothing',
      ],
      'no default export': [
        `${load}export const handler = defineFunction({ on: queue('b') }, () => null)`,
        'must have `export default defineFunction(…)`, got another default export or none',
      ],
      'wrong default export': [
        `${load}const fn = defineFunction({ on: queue('b') }, () => null)\nexport default fn.handler`,
        'must have `export default defineFunction(…)`, got another default export or none',
      ],
    }
    for (const [what, [source, message]] of Object.entries(wrong)) {
      test(what, async () => {
        project = await makeProject({ 'orders/wrong.ts': source, 'right.ts': plain })
        const { functions, problems } = await project.load()
        assert.deepEqual(problems, [
          {
            file: 'functions/orders/wrong.ts',
            code: 'TPT_FUNCTION_INVALID',
            message: `functions/orders/wrong.ts: ${String(message)}`,
          },
        ])
        assert.deepEqual(
          functions.map(({ id }) => id),
          ['right'],
        )
      })
    }

    test('two files with one id', async () => {
      project = await makeProject({ 'a.js': plain, 'a.ts': plain })
      const { functions, problems } = await project.load()
      assert.deepEqual([functions[0]?.file, functions.length], ['functions/a.ts', 1])
      assert.equal(
        problems[0]?.message,
        "functions/a.js: must have an id of its own, got 'a' like functions/a.ts",
      )
    })

    test('a path that cannot be an id', async () => {
      project = await makeProject({ 'über uns.ts': plain, '[id].ts': plain })
      const { functions, problems } = await project.load()
      assert.equal(functions.length, 0)
      assert.match(
        problems.map(({ message }) => message).join('\n'),
        /über uns\.ts: its path must be of letters/,
      )
    })

    test('no folder', async () => {
      project = await makeProject()
      const { problems } = await project.load()
      assert.equal(problems[0]?.message, 'functions: expected a folder, found none')
    })
  })

  test('survives files that do not compile, throw, exit, crash or hang at import', async () => {
    project = await makeProject({
      'a-right.ts': plain,
      'broken.ts': 'export default (\n  1 +\n',
      'crashes.ts': `process.kill(process.pid, 'SIGKILL')\n${plain}`,
      'exits.ts': `process.exit(3)\n${plain}`,
      'hangs.ts': `await new Promise(() => {})\n${plain}`,
      'missing.ts': `import './nowhere.ts'\n${plain}`,
      'spins.ts': `for (;;);\n${plain}`,
      'throws.ts': `${plain}\nthrow new TypeError('at import')\n`,
      'z-right.ts': plain,
    })
    const startedMs = performance.now()
    const { functions, problems } = await project.load({}, 1_000)
    const tookMs = performance.now() - startedMs
    assert.ok(tookMs < 10_000, `took ${tookMs} ms`)
    assert.deepEqual(
      functions.map(({ id }) => id),
      ['a-right', 'z-right'],
    )
    const said = Object.fromEntries(
      problems.map(({ code, message }) => [message.split('.ts: ')[0], [code, message]]),
    )
    const expected: Readonly<Record<string, readonly [string, RegExp]>> = {
      broken: [
        'TPT_FUNCTION_INVALID',
        /does not compile: Unexpected end of file \(functions\/broken\.ts:3:1\)/,
      ],
      crashes: ['TPT_FUNCTION_LOAD', /does not load: the process died of SIGKILL at its import/],
      exits: ['TPT_FUNCTION_LOAD', /does not load: the process exited with code 3 at its import/],
      hangs: ['TPT_FUNCTION_LOAD', /does not load: its import did not end within 1 s/],
      missing: [
        'TPT_FUNCTION_INVALID',
        /does not compile: Could not resolve "\.\/nowhere\.ts" \(functions\/missing/,
      ],
      spins: ['TPT_FUNCTION_LOAD', /does not load: its import did not end within 1 s/],
      throws: ['TPT_FUNCTION_LOAD', /does not load: TypeError: at import \(functions\/throws\.ts:4:7\)/],
    }
    assert.equal(problems.length, Object.keys(expected).length)
    for (const [name, [code, message]] of Object.entries(expected)) {
      assert.equal(said[`functions/${name}`]?.[0], code)
      assert.match(said[`functions/${name}`]?.[1] ?? '', message)
    }
  })

  test('waits for a file that hangs once, and asks one that throws again', async () => {
    project = await makeProject({
      '_hangs.mjs': 'await new Promise(() => {})',
      '_throws.mjs': 'throw new Error()',
    })
    const bundles = ['_hangs.mjs', '_throws.mjs'].map((file) => join(project.root, 'functions', file))
    const ask = createDescriber({ root: project.root, environment: {}, deadlineMs: 500 })
    const first = await ask(bundles)
    const second = await ask(bundles)
    assert.deepEqual(second, first)
    assert.equal(second[0], first[0])
    assert.notEqual(second[1], first[1])
  })

  test('loads the rest when a file goes away meanwhile', async () => {
    project = await makeProject({ 'place.ts': plain, 'helper.ts': 'export const n = 1' })
    const { root } = project
    const ask = createDescriber({ root, environment: { PATH: process.env.PATH ?? '' } })
    const describeSlowly: Describe = async (paths) => {
      await rm(join(root, 'functions/helper.ts'))
      return ask(paths)
    }
    const catalog = await loadCatalog({ root, buildDir: `${root}/.tappet/build`, describe: describeSlowly })
    assert.deepEqual([catalog.functions.map(({ id }) => id), catalog.problems], [['place'], []])
  })

  test('imports nothing into this process', async () => {
    project = await makeProject({ 'a.ts': `globalThis.imported = process.pid\nprocess.chdir('/')\n${plain}` })
    const cwd = process.cwd()
    assert.equal((await project.load()).functions.length, 1)
    assert.equal('imported' in globalThis, false)
    assert.equal(process.cwd(), cwd)
  })
})

describe('loading again', () => {
  let project: Project
  let asked: string[]
  let describeCounted: Describe
  const load = (): Promise<Catalog> =>
    loadCatalog({ root: project.root, buildDir: '.tappet/build', describe: describeCounted })

  before(async () => {
    project = await makeProject({
      'a.ts': `import { name } from './_shared.ts'\n${on('', '() => name')}`,
      'b.ts': on(''),
      '_shared.ts': `export const name = 'first'\n`,
    })
    const real = createDescriber({ root: project.root, environment: {} })
    describeCounted = (bundles) => {
      asked = [...bundles]
      return real(bundles)
    }
  })
  after(() => project.remove())

  test('gives an unchanged file its version, also when another one breaks', async () => {
    const first = await load()
    assert.deepEqual(await load(), first)
    await project.write('c.ts', 'export default (')
    const second = await load()
    assert.deepEqual(second.functions, first.functions)
    assert.equal(second.problems.length, 1)
    await rm(join(project.root, 'functions/c.ts'))
  })

  test('gives a file a new version when what it imports changes', async () => {
    const first = await load()
    await project.write('_shared.ts', `export const name = 'second'\n`)
    const second = await load()
    assert.notEqual(find(second, 'a').version, find(first, 'a').version)
    assert.equal(find(second, 'b').version, find(first, 'b').version)
    assert.equal(asked.length, 2)
  })

  test('writes a bundle again that a power cut has left without its content', async () => {
    const [{ bundle } = assert.fail()] = (await load()).functions
    const whole = await readFile(bundle, 'utf8')
    await writeFile(bundle, '')
    await load()
    assert.equal(await readFile(bundle, 'utf8'), whole)
  })

  test('keeps bundles that are young, and removes old ones', async () => {
    const folder = join(project.root, '.tappet/build')
    const young = await readdir(folder)
    assert.equal(young.filter((name) => name.startsWith('a-')).length, 4)
    const longAgo = new Date(Date.now() - 3_600_000)
    await Promise.all(young.map((name) => utimes(join(folder, name), longAgo, longAgo)))
    const { functions } = await load()
    const left = functions.flatMap(({ bundle }) => [bundle, `${bundle}.map`])
    assert.deepEqual((await readdir(folder)).map((name) => join(folder, name)).toSorted(), left.toSorted())
  })

  test('of seven small functions with zod is quick', async (t) => {
    const zod = `import { z } from '${ZOD}'\nimport { defineFunction, queue } from 'tappet'\n`
    const body = `export default defineFunction({ on: queue('q', { data: z.object({ a: z.string() }) }) }, () => null)`
    for (let i = 0; i < 7; i++)
      await project.write(`zod${i}.ts`, `${zod}// ${i}\n${body}\nexport const n = ${i}`)
    const firstMs = performance.now()
    assert.equal((await load()).functions.length, 9)
    const warmMs = performance.now()
    assert.equal((await load()).functions.length, 9)
    t.diagnostic(
      `first ${Math.round(warmMs - firstMs)} ms, again ${Math.round(performance.now() - warmMs)} ms`,
    )
    // About 0.5 s here when nothing else runs; the limit leaves room for a machine that is busy.
    assert.ok(performance.now() - warmMs < 5_000)
  })
})

describe('a bundle', () => {
  let project: Project
  afterEach(() => project.remove())

  const runOnce = async (): Promise<unknown> => {
    const catalog = await project.load()
    const harness = startProcesses(project.root)
    try {
      const settled = await harness.runtime.run(find(catalog, 'a'), makeInvocation(null), never)
      return settled.ok ? settled.result : settled.failure
    } finally {
      await harness.close()
    }
  }

  test('names the source in its stacks', async () => {
    const helper = `\n\nexport function check(n: number): void {\n  if (n > 1) throw new RangeError('too many')\n}\n`
    project = await makeProject({
      'lib/_check.ts': helper,
      'a.ts': `import { check } from './lib/_check.ts'\n${on('', `async () => {\n  await null\n  check(2)\n}`)}`,
    })
    const { stack } = (await runOnce()) as { stack: string }
    const [message, ...frames] = stack.split('\n')
    assert.equal(message, 'RangeError: too many')
    assert.match(frames[0] ?? '', /^ +at check \(functions\/lib\/_check\.ts:4:20\)$/)
    assert.match(frames[1] ?? '', /functions\/a\.ts:5:3\)$/)
    assert.equal(frames.length, 2)
  })

  test('holds CommonJS packages, JSON and Node’s own modules', async () => {
    project = await makeProject({
      'data.json': '{ "n": 7 }',
      'legacy/index.js': `const path = require('path')\nmodule.exports = { base: path.basename(__filename).length > 0 }`,
      'a.ts': `
        import { createHash } from 'node:crypto'
        import legacy from './legacy/index.js'
        import data from './data.json'
        import { defineFunction, queue } from 'tappet'
        export default defineFunction({ on: queue('q') }, () => [legacy.base, data.n, createHash('md5').update('').digest('hex').length])`,
    })
    assert.deepEqual(await runOnce(), [true, 7, 32])
  })

  test('leaves packages with compiled code where they are', async () => {
    project = await makeProject({
      'a.ts': `
        import native from 'native'
        import { defineFunction, queue } from 'tappet'
        export default defineFunction({ on: queue('q') }, () => native.where)`,
    })
    const folder = '../node_modules/native'
    await project.write(`${folder}/package.json`, '{ "name": "native", "main": "index.js", "gypfile": true }')
    await project.write(`${folder}/index.js`, `module.exports = { where: __dirname }`)
    assert.equal(await runOnce(), join(project.root, 'node_modules/native'))
  })

  test('leaves packages that the project names where they are', async () => {
    project = await makeProject({
      'a.ts': `import { where } from 'named'\n${on('', '() => where()')}`,
    })
    const named = join(project.root, 'node_modules/named')
    await mkdir(named, { recursive: true })
    await writeFile(join(named, 'package.json'), '{"name":"named","main":"index.js"}')
    await writeFile(join(named, 'index.js'), 'exports.where = () => __dirname')
    await writeFile(join(project.root, 'package.json'), '{"tappet":{"external":["named"]}}')
    assert.equal(await runOnce(), await realpath(named))
  })

  test('may wait for something at its top level', async () => {
    project = await makeProject({
      'a.ts': `const two = await Promise.resolve(2)\n${on('', '() => two')}`,
      'b.ts': on('', '() => import.meta.url'),
    })
    assert.equal(await runOnce(), 2)
    const { functions } = await project.load()
    assert.deepEqual(
      functions.map(({ bundle }) => bundle.slice(-4)),
      ['.mjs', '.cjs'],
    )
  })

  test('is kept as V8 compiled it after its first run, for the next process; half of that harms nobody', async () => {
    project = await makeProject({ 'a.ts': on('', '() => 1') })
    const { functions } = await project.load()
    const cache = `${functions[0]?.bundle}.${process.version}-${process.arch}.cache`
    const kept = async (): Promise<Buffer | null> => readFile(cache).catch(() => null)
    const runUntil = async (test: (code: Buffer | null) => boolean): Promise<Buffer | null> => {
      const harness = startProcesses(project.root)
      try {
        const settled = await harness.runtime.run(
          find({ functions, problems: [] }, 'a'),
          makeInvocation(null),
          never,
        )
        assert.deepEqual(settled, { ok: true, result: 1 })
        await eventually(async () => test(await kept()), 'the compiled code')
        return await kept()
      } finally {
        await harness.close()
      }
    }
    const first = await runUntil((code) => code !== null)
    assert.ok(first)
    await writeFile(cache, first.subarray(0, first.length / 2))
    await runUntil((code) => code?.length === first.length)
  })

  test('imports errors that the broker understands', async () => {
    const retryLater = `() => { throw new RetryAfterError('busy', '2m') }`
    project = await makeProject({ 'a.ts': `import { RetryAfterError } from 'tappet'\n${on('', retryLater)}` })
    const failure = (await runOnce()) as { name: string; retryAfterMs: number }
    assert.deepEqual([failure.name, failure.retryAfterMs], ['RetryAfterError', 120_000])
  })

  test('is a module that can be loaded by itself', async () => {
    project = await makeProject({ 'a.ts': plain })
    const { bundle } = find(await project.load(), 'a')
    const module = (await import(pathToFileURL(bundle).href)) as { default: { options: object } }
    assert.deepEqual(Object.keys(module.default.options), ['on'])
  })
})

test('a compiler that was killed is started again', async () => {
  const project = await makeProject({ 'a.ts': plain })
  try {
    await project.load()
    const compilers = (await childrenOf(process.pid)).filter(({ name }) => name === 'esbuild')
    assert.ok(compilers.length > 0, 'the compiler is a child of ours')
    for (const { pid } of compilers) process.kill(pid, 'SIGKILL')
    await project.write('b.ts', plain)
    const { functions, problems } = await project.load()
    assert.deepEqual([functions.map(({ id }) => id), problems], [['a', 'b'], []])
  } finally {
    await project.remove()
  }
})

async function childrenOf(parent: number): Promise<{ readonly pid: number; readonly name: string }[]> {
  const pids = (await readdir('/proc')).map(Number).filter(Number.isInteger)
  const found = await Promise.all(
    pids.map(async (pid) => {
      const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '')
      const [, name = '', above = ''] = /^\d+ \((.*)\) \S (\d+)/.exec(stat) ?? []
      return Number(above) === parent ? [{ pid, name }] : []
    }),
  )
  return found.flat()
}
