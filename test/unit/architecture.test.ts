import assert from 'node:assert/strict'
import { readdir, readFile } from 'node:fs/promises'
import { dirname, join, relative } from 'node:path'
import { describe, it } from 'node:test'

interface Rule {
  readonly why: string
  readonly from: RegExp
  readonly to: RegExp
  readonly except?: RegExp
}

/** Who may not import whom, and why. Paths are relative to the repository; packages by their name. */
const RULES: readonly Rule[] = [
  { why: 'User code sees the front door and nothing behind it.', from: /^functions\//, to: /^src\// },
  {
    why: 'Importing tappet in a function must not load a driver or start anything.',
    from: /^src\/(index\.ts|errors\.ts|define\/|lib\/(?!log\.ts)|triggers\/[^/]+\/(declare|event|signatures)\.ts)/,
    to: /^(src\/(queue|store|worker|runtime|broker|app|config|embedded|outbox|api|cli)|pg$|pg-listen|bullmq|ioredis|fastify|node-cron|croner|pino)/,
    except: /^src\/define\/context\.ts -> pg$/,
  },
  {
    why: 'One kind of trigger never imports another.',
    from: /^src\/triggers\/(?<kind>[^/]+)\//,
    to: /^src\/triggers\/[^/]+\//,
    except: /^src\/triggers\/(?<a>[^/]+)\/.* -> src\/triggers\/\k<a>\//,
  },
  {
    why: 'An adapter knows how to emit, not where events go.',
    from: /^src\/triggers\//,
    to: /^src\/(queue|store|worker|broker|app|config|cli)/,
    except: /-> src\/store\/migrate\.ts$/,
  },
  {
    why: 'Ports are interfaces: they know no adapter.',
    from: /^src\/(queue\/queue|store\/store|runtime\/runtime|triggers\/trigger|outbox\/outbox)\.ts$/,
    to: /(postgres|memory|bullmq|inline|process|adapter)/,
  },
  {
    why: 'The worker runs on any queue, store and runtime.',
    from: /^src\/worker\//,
    to: /^src\/(queue|store|runtime)\//,
    except: /-> src\/(queue\/queue|store\/store|store\/run-state|runtime\/runtime)\.ts$/,
  },
  {
    why: 'lib is a leaf, but for the errors that it throws.',
    from: /^src\/lib\//,
    to: /^src\/(?!lib\/|errors\.ts)/,
  },
  {
    why: 'The dashboard loads the filter grammar too: it is a leaf.',
    from: /^src\/filter\//,
    to: /^(?!src\/(filter|lib)\/|src\/errors\.ts)/,
  },
  {
    why: 'Only app wires, only the command line starts it.',
    from: /^src\/(?!app|cli)/,
    to: /^src\/(app|cli)/,
  },
  { why: 'BullMQ stays behind the queue port.', from: /^src\/(?!queue\/bullmq)/, to: /^bullmq/ },
  { why: 'Redis is the queue’s business.', from: /^src\/(?!queue\/)/, to: /^ioredis$/ },
  {
    why: 'SQL lives in the store, the outbox, the Postgres trigger, our own server, the queue, and ctx.db.',
    from: /^src\/(?!store\/|outbox\/|triggers\/postgres\/|embedded\/|queue\/|app\/database\.ts|define\/context\.ts|runtime\/)/,
    to: /^pg$/,
  },
  {
    why: 'pg-listen is for wake-ups only, in one file.',
    from: /^(?!src\/outbox\/listener\.ts)/,
    to: /^pg-listen$/,
  },
  { why: 'node-cron ticks, in one file.', from: /^(?!src\/triggers\/cron\/)/, to: /^node-cron$/ },
]

const IMPORT = /^\s*(?:import|export)\s[^'"]*?from '([^']+)'|^\s*import '([^']+)'|\bimport\('([^']+)'\)/gm

async function importsOf(folder: string): Promise<{ from: string; to: string }[]> {
  const names = (await readdir(folder, { recursive: true })).filter((name) => /\.m?ts$/.test(name))
  const all = await Promise.all(
    names.map(async (name) => {
      const from = join(folder, name)
      const text = (await readFile(from, 'utf8')).replaceAll(/import \{[^}]*\} from/g, (part) =>
        part.replaceAll('\n', ' '),
      )
      return [...text.matchAll(IMPORT)].map(([, a, b, c]) => {
        const specifier = a ?? b ?? c ?? ''
        const to = specifier.startsWith('.') ? relative('.', join(dirname(from), specifier)) : specifier
        return { from, to }
      })
    }),
  )
  return all.flat()
}

function broken(imports: readonly { from: string; to: string }[]): string[] {
  return imports.flatMap(({ from, to }) =>
    RULES.filter(
      (rule) => rule.from.test(from) && rule.to.test(to) && !rule.except?.test(`${from} -> ${to}`),
    ).map(({ why }) => `${from} imports ${to}: ${why}`),
  )
}

describe('the house', () => {
  it('imports only in the directions that the plan allows', async () => {
    const imports = [...(await importsOf('src')), ...(await importsOf('functions'))]
    assert.ok(imports.length > 200, `found only ${imports.length} imports: the pattern misses them`)
    assert.deepEqual(broken(imports), [])
  })

  it('would notice each forbidden import', () => {
    const forbidden: readonly (readonly [string, string])[] = [
      ['functions/orders/place.ts', 'src/queue/memory.ts'],
      ['src/index.ts', 'src/store/store.ts'],
      ['src/triggers/http/adapter.ts', 'src/triggers/cron/declare.ts'],
      ['src/triggers/http/adapter.ts', 'src/queue/queue.ts'],
      ['src/queue/queue.ts', 'src/queue/memory.ts'],
      ['src/worker/worker.ts', 'src/store/memory/store.ts'],
      ['src/lib/id.ts', 'src/store/store.ts'],
      ['src/filter/filter.ts', 'src/store/store.ts'],
      ['src/api/admin.ts', 'src/app.ts'],
      ['src/worker/worker.ts', 'bullmq'],
      ['src/store/memory/store.ts', 'ioredis'],
      ['src/worker/worker.ts', 'pg'],
      ['src/outbox/drainer.ts', 'pg-listen'],
      ['src/worker/worker.ts', 'node-cron'],
    ]
    for (const [from, to] of forbidden)
      assert.equal(broken([{ from, to }]).length > 0, true, `${from} -> ${to}`)
  })
})

/** Who may look at the clock on the wall of its machine, and why nothing depends on its being right. */
const WALL_CLOCKS: Readonly<Record<string, string>> = {
  'src/dashboard/app/text.ts': 'tells people how long ago something was, by the clock that they see',
  'src/app/clock.ts': 'notices that somebody has set it',
  'src/lib/id.ts':
    'ids sort roughly by time; that they differ is the dice’s work, and one process’s never go back',
  'src/errors.ts': 'a date to retry at comes from a function on the same machine: only the difference counts',
  'src/embedded/cluster.ts': 'a name for a folder that was put aside',
  'src/queue/bullmq.ts': 'a field that BullMQ asks for; nothing is ordered by it',
  'src/queue/bullmq-consumer.ts': 'a field that BullMQ asks for; nothing reads it',
  'src/runtime/bundle.ts': 'the age of a file, by the clock that dated it',
  'src/runtime/catalog.ts': 'the age of a file in a cache, by the clock that dated it',
  'src/runtime/lambda/headers.ts': 'the deadline that a function is told; what ends it is the worker’s timer',
  'src/runtime/runner/sample.ts': 'an example of a date',
  'src/runtime/handler/log-line.ts': 'the time in a log line of a function',
  'src/api/invoke-event.ts': 'the time in an event that its sender gave none; decides nothing',
  'src/events/cloudevents.ts': 'the time in an event that its sender gave none; decides nothing',
  'src/triggers/queue/normalize.ts': 'the time in an event that its sender gave none; decides nothing',
  'src/triggers/cron/next.ts': 'whether an expression comes at any time at all',
  'src/triggers/upload/disk-storage.ts': 'the age of a file, by the clock that dated it',
  'src/triggers/upload/disk-draft.ts': 'the age of a file, by the clock that dated it',
  'src/triggers/upload/tus-store.ts': 'the age of an upload that is under way, shown to its sender',
  'src/store/postgres/filter-sql.ts':
    'where in the list to look; ids are told by the same clocks, and a process that is 60 s off is not ready',
  'src/store/postgres/store.ts': 'how far ours is from the database’s, for `tappet doctor`',
}
/** Tests' twins, and what is only shown to a person. */
const NOT_DECIDING = /^src\/(cli\/|.*\bmemory)/

describe('the clock', () => {
  it('that decides is the database’s: who reads another has a reason', async () => {
    const names = (await readdir('src', { recursive: true })).filter((name) => name.endsWith('.ts'))
    const readers: string[] = []
    for (const name of names.map((path) => join('src', path))) {
      if (/\bDate\.now\b|new Date\(\)/.test(await readFile(name, 'utf8'))) readers.push(name)
    }
    const deciding = readers.filter((name) => !NOT_DECIDING.test(name))
    assert.deepEqual(deciding.toSorted(), Object.keys(WALL_CLOCKS).toSorted())
  })
})
