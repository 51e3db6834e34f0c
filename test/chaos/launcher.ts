import { type ChildProcess, spawn } from 'node:child_process'
import { createWriteStream } from 'node:fs'
import { eventually } from '../support/eventually.ts'

export type Role = 'broker' | 'worker'

/** One process of Tappet, and the next that takes its place. */
export interface Node {
  readonly role: Role
  readonly url: string
  child(): ChildProcess
  /** Since its process was started. */
  upMs(): number
  /** Whether it answered when it was last asked: what a load balancer knows. */
  ready(): boolean
  /** Ends it so, and starts another as soon as it is gone. */
  replace(signal: 'SIGKILL' | 'SIGTERM'): Promise<void>
}

const PROBE_MS = 200

export interface Launcher {
  once(args: readonly string[]): Promise<void>
  node(role: Role): Promise<Node>
  end(): void
}

export interface LauncherOptions {
  readonly folder: string
  readonly cli: string
  readonly logFile: string
  readonly env: NodeJS.ProcessEnv
  readonly deaths: Map<number, number>
}

/** Starts processes, and each again that ends: as a supervisor would. */
export function launcher({ folder, cli, logFile, env, deaths }: LauncherOptions): Launcher {
  let ending = false
  const probes = new Set<NodeJS.Timeout>()
  let ports = 20_000 + (process.pid % 20_000)
  const log = createWriteStream(logFile)
  const start = (args: readonly string[]): ChildProcess => {
    const child = spawn(process.execPath, [cli, ...args], {
      cwd: folder,
      env,
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    child.stdout?.pipe(log, { end: false })
    child.stderr?.pipe(log, { end: false })
    return child
  }
  return {
    async once(args) {
      const child = start(args)
      const code = await new Promise((resolve) => child.once('exit', resolve))
      if (code !== 0 && args[0] !== 'db')
        throw new Error(`tappet ${args.join(' ')} ended with ${String(code)}`)
    },
    async node(role) {
      const port = ports++
      // Brokers run functions too: what they hand to themselves must survive them as well.
      const roles = role === 'broker' ? 'all' : 'worker'
      const args = ['start', '--port', String(port), '--role', roles]
      const url = `http://127.0.0.1:${port}`
      let child = start(args)
      let startedMs = performance.now()
      // A process that cannot start because its servers are away just now is started again, as a supervisor would.
      const keep = (of: ChildProcess): void => {
        of.once('exit', () => {
          if (of.pid) deaths.set(of.pid, Date.now())
          if (ending) return
          child = start(args)
          startedMs = performance.now()
          keep(child)
        })
      }
      keep(child)
      await eventually(async () => (await fetch(`${url}/healthz`)).ok, `${role} ${port} answers`, 120_000)
      let ready = true
      const probe = setInterval(() => {
        const asked = fetch(`${url}/healthz`, { signal: AbortSignal.timeout(1_000) })
        asked.then(
          async (answer) => (await answer.arrayBuffer(), (ready = answer.ok)),
          () => (ready = false),
        )
      }, PROBE_MS)
      probes.add(probe)
      return {
        ready: () => ready,
        role,
        url,
        child: () => child,
        upMs: () => performance.now() - startedMs,
        async replace(signal) {
          const old = child
          old.kill(signal)
          await eventually(() => child !== old, 'its place is taken', 20_000)
        },
      }
    },
    end() {
      ending = true
      for (const probe of probes) clearInterval(probe)
    },
  }
}
