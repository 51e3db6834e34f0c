import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, openSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { Worker } from 'node:worker_threads'
import { defineFunction, queue } from '../../src/index.ts'

/** Functions that try what a sandbox must not let them. `data` says what, and on what. */

interface Wish {
  readonly how: string
  readonly on: string
}

const WISHES: Readonly<Record<string, (on: string, signal: AbortSignal) => unknown>> = {
  read: (path) => readFileSync(path, 'utf8').length,
  list: (path) => readdirSync(path).toSorted(),
  stat: (path) => statSync(path).size,
  write: (path) => {
    writeFileSync(path, 'x')
    return 'written'
  },
  'open to write': (path) => closeSync(openSync(path, 'r+')),
  fill: (path) => {
    writeFileSync(path, Buffer.alloc(80 * 1_048_576))
    return 'written'
  },
  connect: (port) =>
    new Promise((resolve, reject) => {
      const socket = connect(Number(port), '127.0.0.1')
      socket.once('error', reject).once('connect', () => {
        socket.destroy()
        resolve('connected')
      })
    }),
  kill: (pid) => process.kill(Number(pid), 'SIGKILL'),
  'kill its parent': () => {
    process.kill(process.ppid, 'SIGKILL')
    return sleep(50, 'goes on')
  },
  run: (command) => execFileSync(command).toString(),
  environment: () => process.env,
  born: () => Date.now() - process.uptime() * 1_000,
  capabilities: () => /^CapEff:\s*(\w+)/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1],
  segfault: () => process.kill(process.pid, 'SIGSEGV') && sleep(5_000),
  exit: () => process.exit(7),
  spin: () => {
    for (;;);
  },
  wait: (_, signal) => sleep(60_000, null, { signal }),
  buffers: () => {
    const kept: Buffer[] = []
    for (;;) kept.push(Buffer.alloc(16 * 1_048_576, 1))
  },
  'start processes': async (marker, signal) => {
    const code = 'setTimeout(() => undefined, 60_000)'
    for (let n = 0; n < 12; n++) {
      spawn(process.execPath, ['-e', code, marker], { detached: n % 2 === 0, stdio: 'ignore' }).unref()
      await sleep(20)
    }
    return sleep(60_000, null, { signal })
  },
  // One after the other, until the kernel refuses. Gives how many there were.
  'start threads': async (count) => {
    const workers: Worker[] = []
    try {
      for (; workers.length < Number(count);) {
        const worker = new Worker('setTimeout(() => undefined, 60_000)', { eval: true })
        await once(worker, 'online')
        workers.push(worker)
      }
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ERR_WORKER_INIT_FAILED') throw error
    }
    await Promise.all(workers.map((worker) => worker.terminate()))
    return workers.length
  },
  'leave processes': (marker) => {
    const code = 'setTimeout(() => undefined, 60_000)'
    for (let n = 0; n < 5; n++) {
      spawn(process.execPath, ['-e', code, marker], { detached: true, stdio: 'ignore' }).unref()
    }
    return 'left'
  },
}

const attempt = async ({ how, on }: Wish, signal: AbortSignal): Promise<unknown> => WISHES[how]?.(on, signal)

export const confined = defineFunction({ on: queue('confined'), isolation: 'sandbox' }, ({ data }, ctx) =>
  attempt(data as Wish, ctx.signal),
)

export const online = defineFunction(
  { on: queue('online'), isolation: 'sandbox', network: true },
  ({ data }, ctx) => attempt(data as Wish, ctx.signal),
)

/** What the broker is asked for goes over the socket that the process was born with. */
export const asks = defineFunction({ on: queue('asks'), isolation: 'sandbox' }, async (_event, ctx) => {
  await ctx.send(queue('mails'), { to: 'ada' }, { key: 'k1' })
  ctx.log.info({ n: 1 }, 'by the log')
  console.log('by the console')
  const file = await ctx.files.open('big.bin')
  return file.size
})

export const database = defineFunction(
  { on: queue('database'), isolation: 'sandbox' },
  async (_event, { db }) => db.query('select 1'),
)
