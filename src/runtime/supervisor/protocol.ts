/**
 * What a broker and its supervisor say to each other, over the channel that Node opens between a process and its child.
 * A runner is named by a number that the broker chooses.
 */
export type ToSupervisor =
  | {
      readonly op: 'start'
      readonly id: number
      readonly command: string
      readonly args: readonly string[]
      readonly cwd: string
      readonly env: Readonly<Record<string, string>>
      /** The command makes a sandbox, and starts the runner in it. */
      readonly sandboxed: boolean
    }
  /** SIGKILL to its whole group. */
  | { readonly op: 'kill'; readonly id: number }
  /** What it may take from now on. */
  | { readonly op: 'limit'; readonly id: number; readonly limits: Limits }

/** What a runner may take, and by what it is held to it. */
export interface Limits {
  /** Beyond what it takes now; null for no limit. */
  readonly memoryMb: number | null
  /** Most processes that it may have started and that are still there. */
  readonly maxProcesses: number
  /** Path of the program that sets a limit of the kernel's on a process; null where there is none. */
  readonly prlimit: string | null
  /** The control group in which it gets one of its own; null where that cannot be. */
  readonly cgroup: string | null
}

export type FromSupervisor =
  /** Comes with the socket to it. */
  | { readonly event: 'started'; readonly id: number; readonly pid: number }
  /** The supervisor has closed its copy of that socket: nothing that is said on it is lost any more. */
  | { readonly event: 'handed'; readonly id: number }
  /** What it wrote to its stdout and stderr past our capture. */
  | { readonly event: 'output'; readonly id: number; readonly lines: readonly string[] }
  | { readonly event: 'ended'; readonly id: number; readonly exit: Exit }

/** In the supervisor, a pipe on which nothing is said: its end is that of the broker. */
export const BROKER_GONE_FD = 4

export interface Exit {
  /** Null when a signal ended it, or when it never started. */
  readonly code: number | null
  readonly signal: string | null
  /** Why it never started, or that nobody watched it any more. */
  readonly error: string | null
  /** Of what it took more than it may, and was ended for it; null for nothing. */
  readonly over: 'memory' | 'processes' | null
  /** The line of its stderr that says most; null for none. */
  readonly lastWords: string | null
}
