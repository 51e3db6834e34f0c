import { readdirSync, readFileSync } from 'node:fs'
import type { LoadedFunction } from '../../src/runtime/runtime.ts'
import { eventually } from './eventually.ts'
import { makeInvocation, never, startProcesses } from './runtime.ts'

// Runs functions, prints the pids of their processes, and then ends (`idle`) or waits to be killed (`busy`, `starting`).

const [root = '', mode = '', json = ''] = process.argv.slice(2)
const [pid, stays, spins] = JSON.parse(json) as [LoadedFunction, LoadedFunction, LoadedFunction]
const harness = startProcesses(root)

if (mode === 'idle') {
  const settled = await harness.runtime.run(pid, makeInvocation(null), never)
  console.log(JSON.stringify([settled.ok && settled.result]))
} else if (mode === 'starting') {
  await harness.runtime.run(pid, makeInvocation(null), never)
  console.log(JSON.stringify(childrenOf(process.pid, /supervisor/)))
  void harness.runtime.run(stays, makeInvocation(null), never)
  // The process is asked for by then; we never hear that it is there.
  setImmediate(() => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0))
} else {
  void harness.runtime.run(stays, makeInvocation(null), never)
  void harness.runtime.run(spins, makeInvocation(null), never)
  await eventually(() => harness.logs.length === 2, 'both to have begun')
  console.log(JSON.stringify(children()))
}

/** The supervisor is our child, and the runners are its children. */
function children(): number[] {
  const supervisors = childrenOf(process.pid, /supervisor/)
  return supervisors.flatMap((pid) => childrenOf(pid, /runner/))
}

function childrenOf(parent: number, command: RegExp): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name) && isChildOf(parent, name, command))
    .map(Number)
}

function isChildOf(parent: number, name: string, command: RegExp): boolean {
  try {
    return (
      readFileSync(`/proc/${name}/status`, 'utf8').includes(`PPid:\t${parent}\n`) &&
      command.test(readFileSync(`/proc/${name}/cmdline`, 'utf8'))
    )
  } catch {
    return false
  }
}
