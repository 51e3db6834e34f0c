#!/usr/bin/env node
import process from 'node:process'
import type { Io } from './cli.ts'
import { EXIT } from './errors.ts'
import { run } from './program.ts'

type Signal = 'SIGINT' | 'SIGTERM' | 'SIGHUP'

let onSignal = (signal: Signal): void =>
  process.exit(signal === 'SIGINT' ? EXIT.interrupted : EXIT.terminated)
let serving = false
let asked = false
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.on(signal, () => {
    asked = true
    onSignal(signal)
  })
}

// Whoever reads our output may stop reading, as in `tappet runs list | head -1`, or the terminal is gone. A command
// ends; a server has to stop what it has started.
for (const stream of [process.stdout, process.stderr]) {
  stream.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE' && error.code !== 'EIO') throw error
    if (!serving) process.exit(EXIT.ok)
    if (!asked) onSignal('SIGHUP')
    asked = true
  })
}

const io: Io = {
  stdin: process.stdin,
  stdout: process.stdout,
  stderr: process.stderr,
  onSignal: (handler) => {
    onSignal = handler
    serving = true
  },
}
process.exitCode = await run(process.argv.slice(2), io)
