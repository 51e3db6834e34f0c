/**
 * The process that starts and watches the runners, so that the broker does not: to start a process stops a large one for
 * as long as its memory takes to copy. It hands the socket to a runner on and never sees what is said there. When the
 * broker is gone, it ends what it has started, and itself.
 */
import { spawn } from 'node:child_process'
import { Socket } from 'node:net'
import type { Readable, Writable } from 'node:stream'
import { giveWay } from '../../lib/give-way.ts'
import { seccompFilter } from '../sandbox/seccomp.ts'
import { createLineReader } from './lines.ts'
import { createKeeper, dieFirst } from './limits.ts'
import { endOfInner } from './sandboxed.ts'
import { BROKER_GONE_FD, type Exit, type FromSupervisor, type ToSupervisor } from './protocol.ts'

/** Groups of the runners that are there, by the broker's name for each. */
const groups = new Map<number, number>()

/** What the dead have said may still be on its way this long. */
const DRAIN_MS = 200

giveWay()
process.on('message', (message: ToSupervisor) => {
  if (message.op === 'start') start(message)
  else if (message.op === 'kill') killGroup(groups.get(message.id))
  else limit(message)
})
// The channel does not say that it has closed while a socket is on its way over it: this pipe does.
new Socket({ fd: BROKER_GONE_FD })
  .on('error', () => undefined)
  .once('close', end)
  .resume()
process.once('disconnect', end)
// Whoever stops the broker and all that belongs to it means the broker: it ends us when it is done.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => undefined)

function end(): void {
  for (const pid of groups.values()) killGroup(pid)
  process.exit(0)
}

const keeper = createKeeper(killGroup)
const sandboxed = new Set<number>()

function limit({ id, limits }: Extract<ToSupervisor, { op: 'limit' }>): void {
  const pid = groups.get(id)
  if (pid !== undefined) keeper.limit(id, pid, sandboxed.has(id), limits)
}

function say(message: FromSupervisor, socket?: Socket): void {
  if (process.connected) process.send?.(message, socket, {}, () => undefined)
}

function start({ id, command, args, cwd, env, ...more }: Extract<ToSupervisor, { op: 'start' }>): void {
  const stdio = ['ignore', 'pipe', 'pipe', 'pipe', ...(more.sandboxed ? ['pipe' as const] : [])] as const
  const child = spawn(command, args, { cwd, env, detached: true, stdio: [...stdio] })
  const { pid } = child
  const [stdout, stderr] = [child.stdout as Readable, child.stderr as Readable]
  // The last is SECCOMP_FD.
  const filter = child.stdio[4] as Writable | null | undefined
  filter?.on('error', () => undefined).end(seccompFilter())
  const stdoutLines = createLineReader(stdout, (lines) => say({ event: 'output', id, lines }))
  const stderrLines = createLineReader(stderr, (lines) => say({ event: 'output', id, lines }))
  const ended = (how: Omit<Exit, 'lastWords'>): void => {
    say({ event: 'ended', id, exit: { ...how, lastWords: stderrLines.mostTelling() } })
  }

  child.once('error', (error) => {
    if (pid === undefined) ended({ code: null, signal: null, error: error.message, over: null })
  })
  if (pid === undefined) return
  groups.set(id, pid)
  if (more.sandboxed) sandboxed.add(id)
  dieFirst(pid)
  child.once('exit', (code, signal) => {
    groups.delete(id)
    const inner = sandboxed.delete(id) ? endOfInner(code, signal) : { code, signal }
    const over = keeper.ended(id, inner.signal !== null)
    // What it started and left behind holds its pipes open, and has no business to live.
    killGroup(pid)
    const timer = setTimeout(() => [stdout, stderr].forEach((pipe) => pipe.destroy()), DRAIN_MS)
    void Promise.all([stdoutLines.ended, stderrLines.ended]).then(() => {
      clearTimeout(timer)
      ended({ ...inner, error: null, over })
    })
  })
  // A runner speaks when it is spoken to, and the broker speaks when we have let go of the socket. What is sent after
  // it waits until then.
  say({ event: 'started', id, pid }, child.stdio[3] as Socket)
  say({ event: 'handed', id })
}

function killGroup(pid: number | undefined): void {
  if (pid === undefined) return
  try {
    process.kill(-pid, 'SIGKILL')
  } catch {
    // There is nobody left in it.
  }
}
