import type { Thresholds } from './alert.ts'

/** Who is told, and of what. */
export interface AlertSettings extends Thresholds {
  readonly everyMs: number
  readonly webhook: { readonly url: string; readonly secret: string | null } | null
  /** Of Slack, or of what takes the same. */
  readonly slack: string | null
  readonly mail: {
    /** `smtp://` or `smtps://`, with user and password. */
    readonly server: string
    readonly from: string
    readonly to: readonly string[]
  } | null
  /** Hosts on private networks that may be called. */
  readonly allowHosts: readonly string[]
}
