import { execSync, spawn, spawnSync } from 'node:child_process'
import { closeSync, readFileSync, writeSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { defineFunction, queue } from '../../src/index.ts'

/** Functions that hurt their process. `data` says how. */

export const pid = defineFunction({ on: queue('pid') }, () => process.pid)

/** Stays until its signal aborts, then gives its process. */
export const stays = defineFunction({ on: queue('stays') }, async (_event, { signal, log }) => {
  log.info(`in ${process.pid}`)
  await sleep(60_000, undefined, { signal })
})

const FAULTS: Readonly<Record<string, (signal: AbortSignal) => unknown>> = {
  pid: () => process.pid,
  stay: (signal) => sleep(60_000, null, { signal }),
  rest: () => sleep(300, process.pid),
  spin: () => {
    for (;;);
  },
  block: () => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 60_000),
  command: () => execSync('sleep 60'),
  exit: () => process.exit(7),
  segfault: () => process.kill(process.pid, 'SIGSEGV') && sleep(5_000),
  abort: () => process.abort(),
  floating: () => {
    void Promise.reject(new Error('nobody waits for me'))
    return sleep(5_000)
  },
  timer: () => {
    setTimeout(() => fail('from a timer'))
    return sleep(5_000)
  },
  late: () => {
    setTimeout(() => fail('after the end'), 50)
    return process.pid
  },
  memory: fill,
  map: fillMap,
  buffers: fillBuffers,
  wasm: fillWasm,
  'close the socket': () => {
    closeSync(3)
    return sleep(60_000)
  },
  'close the output': () => {
    closeSync(1)
    closeSync(2)
    return process.pid
  },
  'close all': () => {
    for (let fd = 0; fd < 64; fd++) closeQuietly(fd)
    return sleep(60_000)
  },
  // Each is a child of the function's. None does anything, so that a machine bears many.
  'start children': (signal) => {
    for (let n = 0; n < 40; n++) spawn('sleep', ['60'], { stdio: 'ignore' })
    return sleep(60_000, null, { signal })
  },
  // Each starts the next and waits for it; every other one makes a session of its own.
  'start a chain': (signal) => {
    const next = 'n=$1; [ $n -gt 0 ] || exec sleep 60; '
    const code = `${next}if [ $((n % 2)) = 0 ]; then setsid sh -c "$2" sh $((n - 1)) "$2" & else sh -c "$2" sh $((n - 1)) "$2" & fi; wait`
    spawn('sh', ['-c', code, 'sh', '40', code], { stdio: 'ignore' })
    return sleep(60_000, null, { signal })
  },
  // Without end, as fast as it can; those whose parents have ended stay in the group.
  'fork bomb': (signal) => {
    spawn('sh', ['-c', 'b() { sleep 0.02; b & b; }; b'], { stdio: 'ignore' })
    return sleep(60_000, null, { signal })
  },
  'start some': async () => {
    const children = Array.from({ length: 10 }, () => spawn('sleep', ['60'], { stdio: 'ignore' }))
    await sleep(300)
    for (const child of children) child.kill()
    return process.pid
  },
  'leave an interval': () => {
    setInterval(() => undefined, 1_000)
    return process.pid
  },
  // What a child takes is no limit of the process's own.
  'memory of a child': (signal) => {
    const code = 'const kept = []; setInterval(() => kept.push(Buffer.alloc(8 * 1_048_576, 1)), 10)'
    spawn(process.execPath, ['-e', code], { stdio: 'ignore' })
    return sleep(60_000, null, { signal })
  },
  // In a session of its own, and its parent has ended.
  'leave a daemon': () => Number(execSync('setsid sleep 60 >/dev/null 2>&1 & echo $!')),
  'leave a child': () => spawn('sleep', ['60']).pid,
}

export const faulty = defineFunction({ on: queue('faulty') }, async (event, { log, signal }) => {
  log.info(`in ${process.pid}`)
  return FAULTS[event.data as string]?.(signal)
})

/** Before it can say anything, and with a sibling that has said nothing either. */
export const drops = defineFunction({ on: queue('drops') }, async (event) => {
  if (event.data === 'stay') await sleep(60_000)
  process.kill(process.pid, 'SIGKILL')
  await sleep(5_000)
})

function fail(message: string): never {
  throw new Error(message)
}

function fill(): void {
  const kept: unknown[] = []
  for (;;) kept.push(Array.from({ length: 1_000 }, (_, n) => ({ n })))
}

function fillMap(): void {
  const kept = new Map<number, object>()
  for (let n = 0; ; n++) kept.set(n, { n })
}

/** Outside of the heap, and in steps small enough to be seen. */
function fillBuffers(): void {
  const kept: Buffer[] = []
  for (;;) kept.push(Buffer.alloc(4 * 1_048_576, 1))
}

/** What we use of it: its types belong to browsers. */
declare const WebAssembly: {
  readonly Memory: new (size: { initial: number; maximum: number }) => {
    readonly buffer: ArrayBuffer
    grow(pages: number): void
  }
}

function fillWasm(): void {
  const memory = new WebAssembly.Memory({ initial: 1, maximum: 65_536 })
  for (;;) {
    const before = memory.buffer.byteLength
    memory.grow(64)
    new Uint8Array(memory.buffer, before).fill(1)
  }
}

function closeQuietly(fd: number): void {
  try {
    closeSync(fd)
  } catch {
    // It was not open.
  }
}

/** How many calls are in this process at once, at most. */
let inside = 0
let peak = 0

export const crowd = defineFunction({ on: queue('crowd') }, async () => {
  peak = Math.max(peak, ++inside)
  await sleep(20)
  inside--
  return { pid: process.pid, peak }
})

export const environment = defineFunction({ on: queue('environment') }, () => ({
  env: process.env,
  environ: readFileSync('/proc/self/environ', 'utf8'),
  cwd: process.cwd(),
  args: process.argv,
}))

export const prints = defineFunction({ on: queue('prints') }, async (event) => {
  if (event.data === 'flood') for (let i = 0; i < 100_000; i++) console.log(`${i} ${'x'.repeat(94)}`)
  if (event.data === 'raw flood') for (let i = 0; i < 160; i++) writeRaw('y'.repeat(65_536))
  if (event.data === 'child')
    spawnSync('sh', ['-c', 'echo from a child; echo and its stderr >&2'], { stdio: 'inherit' })
  if (event.data !== 'console') return 'done'
  console.debug('one', { a: 1 })
  console.log('two\nlines')
  console.warn('three %d', 3)
  await sleep(1)
  console.error(new Error('four'))
  console.table([{ five: 5 }])
  process.stdout.write('si')
  process.stdout.write('x\nseven')
  process.stderr.write('eight')
  return 'done'
})

/** To the pipe itself, which may be full. */
function writeRaw(text: string): void {
  for (let rest = Buffer.from(text); rest.length > 0;) {
    try {
      rest = rest.subarray(writeSync(1, rest))
    } catch (error) {
      if ((error as { code?: string }).code !== 'EAGAIN') throw error
    }
  }
}

/** Writes a line, and keeps its process from writing anything more. */
export const lastWords = defineFunction({ on: queue('lastWords') }, () => {
  console.log('now I spin')
  for (;;);
})

/** Starts a process that outlives the call, and gives both pids. */
export const parent = defineFunction({ on: queue('parent') }, async () => {
  const { spawn } = await import('node:child_process')
  const child = spawn('sleep', ['60'], { stdio: 'inherit' })
  return [process.pid, child.pid]
})

export const database = defineFunction({ on: queue('database') }, async (event, { db }) => {
  if (event.data === 'many') {
    const rows = await Promise.all(
      Array.from({ length: 20 }, () =>
        db.query<{ pid: number }>('select pg_backend_pid() as pid, pg_sleep(0.02)'),
      ),
    )
    return new Set(rows.map((result) => result.rows[0]?.pid)).size
  }
  const { rows } = await db.query<{ sum: number; name: string }>(
    `select $1::int + 1 as sum, current_setting('application_name') as name`,
    [event.data],
  )
  return rows[0]
})

if (process.env.FAIL_AT_IMPORT === 'throw') throw new TypeError('not with this environment')
if (process.env.FAIL_AT_IMPORT === 'exit') process.exit(9)
