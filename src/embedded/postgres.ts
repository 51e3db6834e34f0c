import { TappetError } from '../errors.ts'

export interface EmbeddedPostgres {
  /** `postgres://tappet:<password>@127.0.0.1:<port>/tappet`, a superuser. */
  readonly url: string
  readonly port: number
  /** Of the server, for example `18.4`. */
  readonly version: string
  /** How it came to run: a new cluster, one of before, or one that still ran after its process was killed. */
  readonly origin: 'created' | 'started' | 'adopted'
  /** Fast shutdown; resolves when the postmaster is gone. Idempotent. */
  stop(): Promise<void>
}

export interface EmbeddedOptions {
  /** Holds the cluster, its password and its log, for example `<project>/.tappet/pg`. */
  readonly folder: string
  /** Default: the one of last time if it is free, else any free one. */
  readonly port?: number
  /** Told about what takes time. */
  readonly onProgress?: (message: string) => void
  /** Server settings over ours. */
  readonly settings?: Readonly<Record<string, string>>
}

export function startEmbeddedPostgres(options: EmbeddedOptions): Promise<EmbeddedPostgres> {
  throw new TappetError('TPT_POSTGRES_EMBEDDED', `not built yet, in ${options.folder}`)
}
