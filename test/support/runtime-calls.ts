import { execFile, execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { lookup } from 'node:dns/promises'
import { readFileSync, watch, writeFileSync } from 'node:fs'
import { networkInterfaces } from 'node:os'
import { promisify } from 'node:util'
import { Worker } from 'node:worker_threads'
import { gzipSync } from 'node:zlib'
import { defineFunction, queue } from '../../src/index.ts'

/** Functions that do what needs system calls of many kinds: those that must go on in a sandbox, and those that must not. */

export interface Wish {
  readonly how: string
  readonly on: readonly string[]
}

/** What we use of it: its types belong to browsers. */
declare const WebAssembly: {
  readonly Module: new (code: Uint8Array) => object
  readonly Instance: new (module: object) => { readonly exports: { add(a: number, b: number): number } }
  readonly Memory: new (size: { initial: number; maximum?: number; shared?: boolean }) => {
    readonly buffer: ArrayBuffer
    grow(pages: number): number
  }
}

/** (func (export "add") (param i32 i32) (result i32) local.get 0 local.get 1 i32.add) */
const ADD = '0061736d0100000001070160027f7f017f030201000707010361646400000a09010700200020016a0b'

const MB = 1_048_576

const WISHES: Readonly<Record<string, (on: readonly string[]) => unknown>> = {
  /** In what another program, such as Python, ends. */
  run: ([command = '', ...args]) => execFileSync(command, args).toString(),
  fetch: async ([url = '']) => (await fetch(url)).text(),
  lookup: async ([host = '']) => (await lookup(host)).address,
  interfaces: () => Object.keys(networkInterfaces()),
  threads: async () => {
    const code = `require('node:worker_threads').parentPort.postMessage(require('node:crypto').randomInt(2, 3) + 5)`
    const workers = Array.from({ length: 4 }, () => new Worker(code, { eval: true }))
    const said = await Promise.all(
      workers.map(async (worker) => (await once(worker, 'message'))[0] as number),
    )
    await Promise.all(workers.map((worker) => worker.terminate()))
    return said
  },
  children: async () => {
    const { stdout } = await promisify(execFile)(process.execPath, ['-p', '6 * 7'])
    return stdout.trim()
  },
  wasm: () => {
    const { add } = new WebAssembly.Instance(new WebAssembly.Module(Buffer.from(ADD, 'hex'))).exports
    const memory = new WebAssembly.Memory({ initial: 1, maximum: 4_096, shared: true })
    memory.grow(800)
    return [add(40, 2), memory.buffer.byteLength]
  },
  /** Any file with native code that needs nothing else. */
  native: ([path = '']) => {
    process.dlopen({ exports: {} }, path)
    return readFileSync('/proc/self/maps', 'utf8').includes(path)
  },
  crypto: () =>
    createHash('sha256')
      .update(gzipSync(Buffer.alloc(MB)))
      .digest('hex').length,
  watch: async () => {
    const watcher = watch('/tmp')
    const changed = once(watcher, 'change')
    writeFileSync('/tmp/watched', '')
    await changed
    watcher.close()
    return 'changed'
  },
  /** Of MB each, until nothing more is to be had, or `count` have been. */
  buffers: ([size = '', count = '']) => {
    const kept = Array.from({ length: Number(count) }, () => Buffer.alloc(Number(size) * MB, 1))
    return kept.length
  },
  texts: ([size = '', count = '']) => {
    const text = Buffer.alloc(Number(size) * MB, 'x')
    return Array.from({ length: Number(count) }, () => text.toString('latin1')).length
  },
  objects: ([count = '']) => Array.from({ length: Number(count) }, (_, n) => ({ n })).length,
  reserved: ([size = '']) => Buffer.allocUnsafeSlow(Number(size) * MB).length,
  memories: ([count = '']) => {
    const kept = Array.from({ length: Number(count) }, () => new WebAssembly.Memory({ initial: 16 }))
    return kept.length
  },
  /** Each has an allocator and stacks of its own. */
  'many threads': async ([count = '']) => {
    const code = `require('node:worker_threads').parentPort.on('message', () => process.exit()).postMessage('up')`
    const workers: Worker[] = []
    for (let n = 0; n < Number(count); n++) {
      const worker = new Worker(code, { eval: true })
      await once(worker, 'message')
      workers.push(worker)
    }
    await Promise.all(workers.map((worker) => worker.terminate()))
    return workers.length
  },
}

export const act = async ({ how, on }: Wish): Promise<unknown> => WISHES[how]?.(on)

export const plain = defineFunction({ on: queue('plain') }, ({ data }) => act(data as Wish))
