#!/usr/bin/env node
import process from 'node:process'
import type { Io } from './cli.ts'
import { EXIT } from './errors.ts'
import { run } from './program.ts'

type Signal = 'SIGINT' | 'SIGTERM' | 'SIGHUP'

let onSignal = (signal: Signal): void =>
  process.exit(signal === 'SIGINT' ? EXIT.interrupted : EXIT.terminated)
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => onSignal(signal))

// Whoever reads our output may stop reading: `tappet runs list | head -1`.
for (const stream of [process.stdout, process.stderr]) {
  stream.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') process.exit(EXIT.ok)
    throw error
  })
}

const io: Io = {
  stdin: process.stdin,
  stdout: process.stdout,
  stderr: process.stderr,
  onSignal: (handler) => {
    onSignal = handler
  },
}
process.exitCode = await run(process.argv.slice(2), io)
