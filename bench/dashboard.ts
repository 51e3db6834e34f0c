import { type ChildProcess, spawn } from 'node:child_process'
import { mkdir, readFile, symlink, writeFile } from 'node:fs/promises'
import { Agent, request } from 'node:http'
import { join } from 'node:path'
import pg from 'pg'
import { eventually } from '../test/support/eventually.ts'
import { type Servers, startServers } from './harness/servers.ts'

const API = '/_tappet/api/v1'
const KEY = 'tpt_the-key-of-the-benchmark'
const RUNS = 100_000
const ASKED = 15
const GOAL_MS = 300
const VIEWERS = 200
const PER_SECOND = 500
const SECONDS = 15

const FUNCTION = `import { defineFunction, queue } from 'tappet'
export default defineFunction({ on: queue('no-op') }, () => null)
`

/** What people look at, with a full ledger; and whether looking slows what is looked at. */
export async function benchDashboard(rounds: number): Promise<void> {
  const servers = await startServers()
  try {
    const node = await startNode(servers)
    try {
      await seed(servers.databaseUrl)
      await measureLists(node)
      await measureViewers(node, servers.databaseUrl, rounds)
    } finally {
      await node.stop()
    }
  } finally {
    await servers.stop()
  }
}

interface Started {
  readonly url: string
  /** CPU that it has used, its functions' processes left out, in ms. */
  cpuMs(): Promise<number>
  stop(): Promise<void>
}

async function startNode({ folder, databaseUrl, redisUrl }: Servers): Promise<Started> {
  const root = join(folder, 'project')
  await mkdir(join(root, 'functions'), { recursive: true })
  await symlink(join(import.meta.dirname, '..', 'node_modules'), join(root, 'node_modules'))
  await writeFile(join(root, 'functions', 'no-op.ts'), FUNCTION)
  const cli = join(import.meta.dirname, '..', 'dist', 'bin', 'tappet.js')
  const own = { DATABASE_URL: databaseUrl, REDIS_URL: redisUrl, TAPPET_ADMIN_TOKEN: KEY, LOG_LEVEL: 'warn' }
  const child: ChildProcess = spawn(process.execPath, [cli, 'start', '--port', '0'], {
    ...{ cwd: root, env: { ...process.env, ...own }, stdio: ['ignore', 'ignore', 'inherit'] },
  })
  const file = join(root, '.tappet', 'running.json')
  const url = await eventually(
    async () => (JSON.parse(await readFile(file, 'utf8')) as { readonly url: string }).url,
    'the node to be ready',
    60_000,
  )
  return {
    url,
    async cpuMs() {
      const text = await readFile(`/proc/${child.pid}/stat`, 'latin1')
      const fields = text.slice(text.lastIndexOf(')') + 2).split(' ')
      return (Number(fields[11]) + Number(fields[12])) * 10
    },
    async stop() {
      child.kill('SIGTERM')
      await new Promise((resolve) => child.once('exit', resolve))
    },
  }
}

/** Runs of the last day: five functions, three in a hundred dead. */
async function seed(databaseUrl: string): Promise<void> {
  const client = new pg.Client(databaseUrl)
  await client.connect()
  const at = `now() - (${RUNS} - n) * interval '0.8 s'`
  await client.query(`
    insert into tappet.events (id, name, source, event_id, type, time, payload, received_at)
    select 'evt_' || lpad(n::text, 26, '0'), sha256(n::text::bytea), '/bench', n::text, 'queue.message', ${at},
           json_build_object('data', json_build_object('tenant', 't' || n % 1000, 'text', repeat('x', 200))), ${at}
      from generate_series(1, ${RUNS}) n`)
  await client.query(`
    insert into tappet.runs (id, event, function_id, trigger, state, attempt, max_attempts, lease, created_at,
                             due_at, started_at, finished_at, result, failure, fingerprint)
    select 'run_' || lpad(n::text, 26, '0'), 'evt_' || lpad(n::text, 26, '0'), 'fn' || n % 5, 0,
           case when n % 33 = 0 then 'dead' else 'completed' end, 1, 1, 1, ${at}, ${at}, ${at}, ${at} + interval '20 ms',
           case when n % 33 <> 0 then '{"ok":true}'::json end,
           case when n % 33 = 0 then json_build_object('name', 'Error', 'message', 'mailbox ' || n % 7 || ' is full',
             'stack', null, 'code', null, 'retryable', true, 'retryAfterMs', null) end,
           case when n % 33 = 0 then 'f' || n % 7 end
      from generate_series(1, ${RUNS}) n`)
  await client.query('analyze tappet.runs, tappet.events')
  await client.end()
}

const LISTS = {
  'the newest 50': '/runs?limit=50',
  'the newest 50, by a filter of none': '/runs?limit=50&q=',
  'those that failed': '/runs?limit=50&q=status:dead',
  'those of a function': '/runs?limit=50&q=function:fn3',
  'by the text of the error': '/runs?limit=50&q=error~%22mailbox%203%22',
  'by the payload, found': '/runs?limit=50&q=data.tenant:t77',
  'by the payload, not found': '/runs?limit=50&q=data.tenant:nobody',
  'by the trigger, not found': '/runs?limit=50&q=trigger:cron',
  'page 200': `/runs?limit=50&before=run_${String(RUNS - 10_000).padStart(26, '0')}`,
  'how many there are': '/runs/count?q=',
  'bars of a day': '/runs/histogram?since=24h&buckets=72',
  'errors of a day': '/errors',
  overview: '/overview',
} as const

async function measureLists({ url }: Started): Promise<void> {
  console.log(`${RUNS.toLocaleString('en')} runs in the ledger; ${ASKED} times each; goal ≤ ${GOAL_MS} ms\n`)
  console.log('| what | p50 ms | max ms | |\n| --- | ---: | ---: | --- |')
  for (const [name, path] of Object.entries(LISTS)) {
    const times: number[] = []
    for (let i = 0; i < ASKED; i++) {
      const begun = performance.now()
      const answer = await fetch(`${url}${API}${path}`, { headers: { authorization: `Bearer ${KEY}` } })
      await answer.arrayBuffer()
      if (!answer.ok) throw new Error(`${path} answered ${answer.status}`)
      times.push(performance.now() - begun)
    }
    const sorted = times.toSorted((a, b) => a - b)
    const [p50 = 0, most = 0] = [sorted[Math.floor(ASKED / 2)], sorted.at(-1)]
    console.log(`| ${name} | ${p50.toFixed(0)} | ${most.toFixed(0)} | ${p50 <= GOAL_MS ? '✔' : '✖'} |`)
  }
}

interface Slice {
  readonly p50: number
  readonly p99: number
  readonly cpuMs: number
}

/** In turn without and with viewers, so that a noisy machine is unfair to neither. */
async function measureViewers(node: Started, databaseUrl: string, rounds: number): Promise<void> {
  await slice(node, databaseUrl, 0)
  const slices: (readonly [Slice, Slice])[] = []
  for (let round = 0; round < rounds; round++)
    slices.push([await slice(node, databaseUrl, 0), await slice(node, databaseUrl, VIEWERS)])
  const ratio = (of: (slice: Slice) => number): string =>
    median(slices.map(([alone, seen]) => of(seen) / of(alone))).toFixed(2)
  const value = (side: 0 | 1, of: (slice: Slice) => number): string =>
    median(slices.map((pair) => of(pair[side]))).toFixed(1)
  console.log(`\n${PER_SECOND} runs/s for ${SECONDS} s, ${rounds} rounds; ${VIEWERS} streams of all runs\n`)
  console.log('| accepted → completed | without | with | ratio |\n| --- | ---: | ---: | ---: |')
  for (const name of ['p50', 'p99', 'cpuMs'] as const)
    console.log(
      `| ${name} | ${value(0, (one) => one[name])} | ${value(1, (one) => one[name])} | ${ratio((one) => one[name])} |`,
    )
}

async function slice(node: Started, databaseUrl: string, viewers: number): Promise<Slice> {
  const stop = watch(node.url, viewers)
  const client = new pg.Client(databaseUrl)
  client.on('error', () => undefined)
  await client.connect()
  const { rows: started } = await client.query<{ at: string }>('select now()::text as at')
  const cpu = await node.cpuMs()
  await load(node.url)
  const cpuMs = (await node.cpuMs()) - cpu
  await eventually(
    async () => {
      const { rows } = await client.query<{ open: number }>(
        `select count(*)::int as open from tappet.runs where state not in ('completed', 'dead')`,
      )
      return rows[0]?.open === 0
    },
    'all runs to be over',
    120_000,
  )
  const { rows } = await client.query<{ p50: number; p99: number }>(
    `select percentile_cont(0.5) within group (order by ms) as p50, percentile_cont(0.99) within group (order by ms) as p99
       from (select extract(epoch from finished_at - created_at)::float8 * 1000 as ms from tappet.runs where created_at > $1) as t`,
    [started[0]?.at],
  )
  await client.end()
  stop()
  return { p50: rows[0]?.p50 ?? 0, p99: rows[0]?.p99 ?? 0, cpuMs }
}

/** Streams that are read and not looked at. */
function watch(url: string, viewers: number): () => void {
  const agent = new Agent({ maxSockets: Infinity })
  const open = Array.from({ length: viewers }, () =>
    request(`${url}${API}/stream`, { agent, headers: { authorization: `Bearer ${KEY}` } }, (answer) =>
      answer.resume(),
    )
      .on('error', () => undefined)
      .end(),
  )
  return () => {
    for (const one of open) one.destroy()
    agent.destroy()
  }
}

async function load(url: string): Promise<void> {
  const agent = new Agent({ keepAlive: true, maxSockets: 32 })
  const begun = performance.now()
  const sent: Promise<void>[] = []
  for (let n = 0; n < PER_SECOND * SECONDS; n++) {
    const due = begun + (n * 1_000) / PER_SECOND
    if (due > performance.now()) await new Promise((resolve) => setTimeout(resolve, due - performance.now()))
    sent.push(post(`${url}/_tappet/queues/no-op`, agent))
  }
  await Promise.all(sent)
  agent.destroy()
}

function post(url: string, agent: Agent): Promise<void> {
  return new Promise((resolve, reject) => {
    const headers = { authorization: `Bearer ${KEY}`, 'content-type': 'application/json' }
    request(url, { method: 'POST', agent, headers }, (answer) => {
      answer.resume().once('end', () => {
        if (answer.statusCode === 202) resolve()
        else reject(new Error(`the queue answered ${answer.statusCode}`))
      })
    })
      .once('error', reject)
      .end('{}')
  })
}

function median(numbers: readonly number[]): number {
  return numbers.toSorted((a, b) => a - b)[Math.floor(numbers.length / 2)] ?? 0
}
