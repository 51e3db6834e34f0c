import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { symlink, writeFile } from 'node:fs/promises'
import type { Socket } from 'node:net'
import { cpus } from 'node:os'
import { join } from 'node:path'
import { Worker } from 'node:worker_threads'
import type { Catalog } from '../src/runtime/catalog.ts'
import { createDecoder, createFrameWriter } from '../src/runtime/frames.ts'
import type { ProcessRuntimeOptions } from '../src/runtime/process.ts'
import type { LoadedFunction, Settled } from '../src/runtime/runtime.ts'
import { eventually } from '../test/support/eventually.ts'
import {
  find,
  makeInvocation,
  makeProject,
  messageOf,
  never,
  type ProcessHarness,
  type Project,
  startProcesses,
} from '../test/support/runtime.ts'

/** A figure: what we do against what it is compared with, in the same unit, and how far apart they may be. */
interface Figure {
  readonly name: string
  readonly unit: string
  readonly goal: { readonly atMost: number } | { readonly atLeast: number }
  /** One round of both sides, one after the other: a noisy machine is unfair to neither. */
  round(): Promise<{ readonly ours: number; readonly base: number }>
}

const EMPTY = `import { defineFunction, queue } from 'tappet'\n`
const on = (handler: string): string =>
  `${EMPTY}export default defineFunction({ on: queue('q') }, ${handler})\n`
const IMPORTS = `import * as z from 'zod'\nimport pg from 'pg'\nimport { request } from 'undici'\n`
const USES = '[typeof z.object, typeof pg.Pool, typeof request]'

const FILES = {
  'echo.ts': on('(event) => event.data'),
  'pid.ts': on('() => process.pid'),
  'stays.ts': on(
    'async (_event, { log, signal }) => { log.info("in " + process.pid); await new Promise((done) => signal.addEventListener("abort", done)) }',
  ),
  'compute.ts': on(
    '() => { let sum = 0; for (let i = 0; i < 1_500_000; i++) sum = (sum * 31 + i) | 0; return sum }',
  ),
  'large.ts': `${IMPORTS}${on(`() => ${USES}`)}`,
}

/** What a function runtime is judged by, each as a ratio of two things measured in turn; `only` those with it in their name. */
export async function benchRuntime(rounds: number, only: string): Promise<void> {
  const project = await makeProject(FILES)
  await symlink(join(import.meta.dirname, '..', 'node_modules'), join(project.root, 'node_modules'))
  await writeFile(join(project.root, 'large.mjs'), `${IMPORTS}console.log(${USES}.length)\n`)
  const catalog = await project.load({ PATH: process.env.PATH ?? '' })
  console.log(
    `node ${process.version}, ${cpus().length} cores; median of ${rounds} rounds, both sides in turn\n`,
  )
  console.log('what'.padEnd(58), 'ours'.padStart(9), 'base'.padStart(9), '    ratio (min–max)', '      goal')
  try {
    for (const figure of figures(project, catalog))
      if (figure.name.includes(only)) await report(figure, rounds)
  } finally {
    await project.remove()
  }
}

async function report({ name, unit, goal, round }: Figure, rounds: number): Promise<void> {
  await round()
  const found = []
  for (let n = 0; n < rounds; n++) found.push(await round())
  const ratios = found.map(({ ours, base }) => ours / base)
  const ratio = median(ratios)
  const met = 'atMost' in goal ? ratio <= goal.atMost : ratio >= goal.atLeast
  const wanted = 'atMost' in goal ? `≤ ${goal.atMost}` : `≥ ${goal.atLeast}`
  const range = `${format(Math.min(...ratios))}–${format(Math.max(...ratios))}`
  console.log(
    name.padEnd(58),
    format(median(found.map(({ ours }) => ours))).padStart(9),
    format(median(found.map(({ base }) => base))).padStart(9),
    `${unit.padEnd(4)}${format(ratio).padStart(6)} (${range})`.padEnd(26),
    `${wanted} ${met ? '✔' : '✖'}`,
  )
}

function figures(project: Project, catalog: Catalog): readonly Figure[] {
  const { root } = project
  const fn = (id: string, more: Partial<LoadedFunction> = {}): LoadedFunction => ({
    ...find(catalog, id),
    ...more,
  })
  const open = (more: Partial<ProcessRuntimeOptions> = {}): ProcessHarness => startProcesses(root, more)
  const coldOn = (id: string, spares: number) => (): Promise<number> => coldStart(open, fn(id), spares)
  return [
    {
      name: 'warm call with 1 KB, p50: against the echo of a bare thread',
      ...{ unit: 'ms', goal: { atMost: 1.5 } },
      round: async () => ({ ours: await warmCall(open(), fn('echo')), base: await threadEcho() }),
    },
    {
      name: 'calls a second, 64 in flight: against bare frames',
      ...{ unit: '/s', goal: { atLeast: 0.3 } },
      round: async () => {
        const one = fn('echo', { instanceConcurrency: 64, maxInstances: 1 })
        return { ours: await callsPerSecond(open(), one, 64), base: await bareFrames(64) }
      },
    },
    {
      name: 'cold start, fresh process: against `node -e 0`',
      ...{ unit: 'ms', goal: { atMost: 1.2 } },
      round: async () => ({ ours: await coldOn('pid', 0)(), base: await emptyNode() }),
    },
    {
      name: 'cold start on a spare: against a fresh one',
      ...{ unit: 'ms', goal: { atMost: 0.15 } },
      round: async () => ({ ours: await coldOn('pid', 1)(), base: await coldOn('pid', 0)() }),
    },
    {
      name: 'cold start on a spare, what a sandbox adds: against 6 ms',
      ...{ unit: 'ms', goal: { atMost: 1 } },
      round: async () => {
        const confined = fn('pid', { isolation: 'sandbox' })
        const [outside, inside] = [await coldOn('pid', 1)(), await coldStart(open, confined, 1)]
        return { ours: Math.max(0.01, inside - outside), base: 6 }
      },
    },
    {
      name: 'zod + pg + undici, spare, kept code: against unbundled',
      ...{ unit: 'ms', goal: { atMost: 0.4 } },
      round: async () => ({ ours: await coldOn('large', 1)(), base: await unbundled(root) }),
    },
    {
      name: 'SIGKILL → the run has failed: against 20 ms',
      ...{ unit: 'ms', goal: { atMost: 1 } },
      round: async () => ({ ours: await killed(open(), fn('stays')), base: 20 }),
    },
    {
      name: 'memory of a warm instance: against a thread’s',
      ...{ unit: 'MB', goal: { atMost: 1.25 } },
      round: async () => ({ ours: await instanceMemory(open(), fn('pid')), base: await threadMemory() }),
    },
    {
      name: 'computing, two instances: against one',
      ...{ unit: '/s', goal: { atLeast: 1.9 } },
      round: async () => {
        const strict = (maxInstances: number): LoadedFunction =>
          fn('compute', { instanceConcurrency: 1, maxInstances })
        return {
          ours: await callsPerSecond(open(), strict(2), 2),
          base: await callsPerSecond(open(), strict(1), 1),
        }
      },
    },
    {
      name: 'longest stop of a 500 MB broker at 4 new ones: against 2 ms',
      ...{ unit: 'ms', goal: { atMost: 1 } },
      round: async () => ({ ours: await longestStop(open(), fn('pid')), base: 2 }),
    },
  ]
}

type Open = (more?: Partial<ProcessRuntimeOptions>) => ProcessHarness

async function within<T>(harness: ProcessHarness, work: (call: Call) => Promise<T>): Promise<T> {
  const event = messageOf(null)
  try {
    return await work(async (one, data) => {
      const settled = await harness.runtime.run(
        one,
        makeInvocation(null, { event: { ...event, data } }),
        never,
      )
      if (!settled.ok) throw new Error(settled.failure.message)
      return settled
    })
  } finally {
    await harness.close()
  }
}

type Call = (fn: LoadedFunction, data: unknown) => Promise<Settled & { ok: true }>

const KILOBYTE = { text: 'x'.repeat(1_000) }
const CALLS = 2_000

async function warmCall(harness: ProcessHarness, fn: LoadedFunction): Promise<number> {
  return within(harness, (call) => p50(CALLS, () => call(fn, KILOBYTE)))
}

async function threadEcho(): Promise<number> {
  const worker = new Worker(
    `const { parentPort } = require('node:worker_threads'); parentPort.on('message', (m) => parentPort.postMessage(m))`,
    { eval: true },
  )
  let answered = (): void => undefined
  worker.on('message', () => answered())
  const event = { ...messageOf(KILOBYTE) }
  const figure = await p50(CALLS, () => {
    const done = new Promise<void>((resolve) => (answered = resolve))
    // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread has no origin
    worker.postMessage(event)
    return done
  })
  await worker.terminate()
  return figure
}

const SECONDS = 1.5

async function callsPerSecond(
  harness: ProcessHarness,
  fn: LoadedFunction,
  inFlight: number,
): Promise<number> {
  return within(harness, async (call) => {
    await Promise.all(Array.from({ length: inFlight }, () => call(fn, null)))
    return perSecond(inFlight, () => call(fn, null))
  })
}

/** A process that does nothing but give frames back, with our own framing. */
async function bareFrames(inFlight: number): Promise<number> {
  const frames = new URL('../src/runtime/frames.ts', import.meta.url).href
  const script = `
    import { Socket } from 'node:net'
    import { createDecoder, createFrameWriter } from ${JSON.stringify(frames)}
    const socket = new Socket({ fd: 3, readable: true, writable: true })
    const writer = createFrameWriter((bytes) => socket.write(bytes))
    socket.on('data', createDecoder(({ id, payload }) => writer.send(65, id, {}, Buffer.from(JSON.stringify(JSON.parse(payload)))))).on('end', () => process.exit(0))`
  const child = spawn(process.execPath, ['--import', 'tsx', '--input-type=module', '--eval', script], {
    stdio: ['ignore', 'inherit', 'inherit', 'pipe'],
  })
  const socket = child.stdio[3] as Socket
  const waiting = new Map<number, () => void>()
  const writer = createFrameWriter((bytes) => socket.write(bytes))
  const decode = createDecoder(({ id, payload }) => {
    JSON.parse(payload.toString())
    waiting.get(id)?.()
    waiting.delete(id)
  })
  socket.on('data', decode)
  let id = 0
  const event = messageOf(null)
  const echo = (): Promise<void> =>
    new Promise((resolve) => {
      waiting.set(++id, resolve)
      writer.send(2, id, {}, Buffer.from(JSON.stringify(event)))
    })
  await echo()
  const figure = await perSecond(inFlight, echo)
  const exited = once(child, 'exit')
  socket.end()
  await exited
  return figure
}

let versions = 0

/** From the call of a version that no process runs yet to its result. */
async function coldStart(open: Open, fn: LoadedFunction, spares: number): Promise<number> {
  const harness = open({ spares, idleMs: 600_000 })
  harness.runtime.retain([fn])
  return within(harness, async (call) => {
    const fresh = (): LoadedFunction => ({ ...fn, version: `v${versions++}` })
    const times: number[] = []
    for (let n = 0; n < 7; n++) {
      // Long enough for a spare to boot, also on a busy machine.
      await pause(spares > 0 ? 60 + 20 * (await emptyNode()) : 20)
      const begun = performance.now()
      await call(fresh(), null)
      if (n > 1) times.push(performance.now() - begun)
    }
    return median(times)
  })
}

async function emptyNode(): Promise<number> {
  return runNode(['-e', '0'], process.cwd())
}

async function unbundled(root: string): Promise<number> {
  return runNode([join(root, 'large.mjs')], root)
}

/** Until it has ended, in a clean environment. */
async function runNode(args: readonly string[], cwd: string): Promise<number> {
  const times: number[] = []
  for (let n = 0; n < 5; n++) {
    const begun = performance.now()
    await once(spawn(process.execPath, args, { cwd, env: {}, stdio: 'ignore' }), 'exit')
    times.push(performance.now() - begun)
  }
  return median(times)
}

async function killed(harness: ProcessHarness, fn: LoadedFunction): Promise<number> {
  const times: number[] = []
  for (let n = 1; n <= 7; n++) {
    const running = harness.runtime.run(fn, makeInvocation(null), never)
    const said = await eventually(() => (harness.logs.length === n ? harness.logs.at(-1) : null), 'its pid')
    const begun = performance.now()
    process.kill(Number(said.message.slice(3)), 'SIGKILL')
    await running
    times.push(performance.now() - begun)
  }
  await harness.close()
  return median(times)
}

const MANY = 10

/** What a process has for itself. */
async function instanceMemory(harness: ProcessHarness, fn: LoadedFunction): Promise<number> {
  return within(harness, async (call) => {
    const sizes: number[] = []
    for (let n = 0; n < MANY; n++) {
      const { result } = await call({ ...fn, version: `m${n}` }, null)
      const text = readFileSync(`/proc/${String(result)}/smaps_rollup`, 'utf8')
      const parts = [...text.matchAll(/^Private_(?:Clean|Dirty): +(\d+) kB/gm)]
      sizes.push(parts.reduce((sum, [, kb]) => sum + Number(kb), 0) / 1_024)
    }
    return median(sizes)
  })
}

/** What each further thread adds to its process. */
async function threadMemory(): Promise<number> {
  const script = `
    const { Worker } = require('node:worker_threads'); const { once } = require('node:events')
    const code = "const { parentPort } = require('node:worker_threads'); parentPort.on('message', (m) => parentPort.postMessage(m))"
    const open = async () => { const w = new Worker(code, { eval: true }); w.postMessage(1); await once(w, 'message') }
    ;(async () => {
      await open(); const before = process.memoryUsage().rss
      for (let n = 0; n < ${MANY}; n++) await open()
      console.log((process.memoryUsage().rss - before) / ${MANY} / 1048576); process.exit(0)
    })()`
  const child = spawn(process.execPath, ['-e', script], { stdio: ['ignore', 'pipe', 'inherit'] })
  const [text] = (await once(child.stdout, 'data')) as [Buffer]
  await once(child, 'exit')
  return Number(text)
}

/** How long a timer was kept waiting while processes were started. */
async function longestStop(harness: ProcessHarness, fn: LoadedFunction): Promise<number> {
  const ballast = Buffer.alloc(500 * 1_048_576, 1)
  return within(harness, async (call) => {
    await call(fn, null)
    const idle = await longestGap(async () => pause(300))
    const busy = await longestGap(async () => {
      await Promise.all(Array.from({ length: 4 }, (_, n) => call({ ...fn, version: `s${n}` }, null)))
    })
    // What the machine takes from us without our doing is no stop of ours.
    return ballast.length > 0 ? Math.max(0.01, busy - idle) : 0
  })
}

/** In CPU time of this thread between two turns: others on the machine do not count. */
async function longestGap(work: () => Promise<void>): Promise<number> {
  let longest = 0
  let stopped = false
  let last = cpuMs()
  const turn = (): void => {
    const now = cpuMs()
    longest = Math.max(longest, now - last)
    last = now
    if (!stopped) setImmediate(turn)
  }
  setImmediate(turn)
  await work()
  stopped = true
  return longest
}

/** Of the main thread alone. */
function cpuMs(): number {
  return Number(readFileSync('/proc/thread-self/schedstat', 'utf8').split(' ')[0]) / 1e6
}

async function p50(times: number, work: () => Promise<unknown>): Promise<number> {
  for (let n = 0; n < times / 4; n++) await work()
  const found: number[] = []
  for (let n = 0; n < times; n++) {
    const begun = performance.now()
    await work()
    found.push(performance.now() - begun)
  }
  return median(found)
}

async function perSecond(inFlight: number, work: () => Promise<unknown>): Promise<number> {
  let done = 0
  const begun = performance.now()
  const until = begun + SECONDS * 1_000
  const caller = async (): Promise<void> => {
    for (; performance.now() < until; done++) await work()
  }
  await Promise.all(Array.from({ length: inFlight }, caller))
  return done / ((performance.now() - begun) / 1_000)
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}

function median(numbers: readonly number[]): number {
  return numbers.toSorted((a, b) => a - b)[Math.floor(numbers.length / 2)] ?? 0
}

function format(value: number): string {
  return value >= 100 ? String(Math.round(value)) : value.toFixed(value >= 10 ? 1 : 2)
}
