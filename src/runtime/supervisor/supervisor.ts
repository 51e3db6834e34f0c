import { type ChildProcess, fork } from 'node:child_process'
import type { Socket } from 'node:net'
import { supervisorFile } from '../own-programs.ts'
import type { Exit, FromSupervisor, Limits, ToSupervisor } from './protocol.ts'

/** What a runner's side in the broker is told of its process. */
export interface Watcher {
  onStarted(pid: number, socket: Socket): void
  /** From now on the socket may be used. */
  onHanded(): void
  onOutput(lines: readonly string[]): void
  /** Called once, last. */
  onEnded(exit: Exit): void
}

/** A process that was asked for. It may not have started yet. */
export interface Watched {
  kill(): void
  limit(limits: Limits): void
  /** The supervisor does not do its work: all that it watches is lost, and another takes its place. */
  distrust(): void
  /** Whether our own process stays alive for it. */
  hold(held: boolean): void
}

/** The supervisor of this process. It is started when it is first needed, and again after it was lost. */
interface Supervisor {
  start(what: Omit<Extract<ToSupervisor, { op: 'start' }>, 'op' | 'id'>, watcher: Watcher): Watched
  isLost(): boolean
}

let current: Promise<Supervisor> | undefined

export async function supervisor(): Promise<Supervisor> {
  const asked = (current ??= supervisorFile().then(open))
  const found = await asked.catch((error: unknown) => {
    if (current === asked) current = undefined
    throw error
  })
  if (!found.isLost()) return found
  if (current === asked) current = undefined
  return supervisor()
}

const LOST: Exit = {
  code: null,
  signal: null,
  error: 'its supervisor has ended',
  over: null,
  lastWords: null,
}

function open(file: string): Supervisor {
  // In a session of its own: what a terminal sends to ours is not for it.
  const child = fork(file, [], {
    ...{ cwd: '/', env: {}, detached: true, execArgv: ['--no-warnings'] },
    // The last is BROKER_GONE_FD.
    stdio: ['ignore', 'ignore', 'inherit', 'ipc', 'pipe'],
  })
  const alive = child.stdio[4] as Socket | undefined
  alive?.on('error', () => undefined).unref()
  const watchers = new Map<number, Watcher>()
  const holds = createHolds(child)
  let lastId = 0
  let lost = false
  const tell = (message: ToSupervisor): void => void (lost || child.send(message, () => undefined))
  const onLost = (): void => {
    lost = true
    child.kill('SIGKILL')
    for (const watcher of watchers.values()) watcher.onEnded(LOST)
    watchers.clear()
  }
  child.on('message', (message: FromSupervisor, socket) => {
    const watcher = watchers.get(message.id)
    if (!watcher) (socket as Socket | undefined)?.destroy()
    else if (message.event === 'started') watcher.onStarted(message.pid, socket as Socket)
    else if (message.event === 'handed') watcher.onHanded()
    else if (message.event === 'output') watcher.onOutput(message.lines)
    else if (watchers.delete(message.id)) watcher.onEnded(message.exit)
  })
  child.once('error', onLost).once('exit', onLost).once('disconnect', onLost)
  holds.none()

  return {
    start(what, watcher) {
      const id = (lastId = (lastId + 1) >>> 0)
      watchers.set(id, watcher)
      tell({ op: 'start', id, ...what })
      if (lost) process.nextTick(() => watchers.delete(id) && watcher.onEnded(LOST))
      return {
        kill: () => tell({ op: 'kill', id }),
        distrust: onLost,
        limit: (limits) => tell({ op: 'limit', id, limits }),
        hold: (held) => holds.set(id, held),
      }
    },
    isLost: () => lost,
  }
}

/** Our own process stays alive for the supervisor while it does for one of the runners. */
function createHolds(child: ChildProcess): { set(id: number, held: boolean): void; none(): void } {
  const held = new Set<number>()
  const update = (): void => {
    if (held.size > 0) child.channel?.ref()
    else child.channel?.unref()
  }
  return {
    set(id, wanted) {
      if (wanted) held.add(id)
      else held.delete(id)
      update()
    },
    none() {
      child.unref()
      update()
    },
  }
}
