export interface WorkerInfo {
  readonly id: string
  readonly host: string
  readonly pid: number
  /** As in `ProcessIdentity`, where they are known. */
  readonly machine?: string
  readonly birth?: string
}

/** A worker that some process can look for by itself. */
export interface Neighbour {
  readonly id: string
  readonly pid: number
  readonly birth: string
}

export interface Lease {
  readonly runId: string
  readonly lease: number
}
