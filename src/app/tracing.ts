import { resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import type { Config } from '../config.ts'
import { explain, TappetError } from '../errors.ts'
import type { Logger } from '../lib/log.ts'
import { NO_TRACING, type Tracing } from '../tracing/tracing.ts'

/** Where every copy of OpenTelemetry's API of version 1 keeps what an SDK has registered. */
const REGISTERED = Symbol.for('opentelemetry.js.api.1')

export interface ActiveTracing {
  readonly tracing: Tracing
  /** Lets the SDK send what it has, if its module says how. */
  stop(): Promise<void>
}

/**
 * Loads the operator's SDK, if there is one to load. Without one, registered here or before us by `node --import`, nothing of
 * OpenTelemetry is used.
 *
 * @throws TappetError TPT_CONFIG_INVALID when the module that TAPPET_OTEL names cannot be loaded.
 */
export async function startTracing(
  { root, otel }: Pick<Config, 'root' | 'otel'>,
  logger: Logger,
): Promise<ActiveTracing> {
  const sdk = otel === null ? {} : await load(resolve(root, otel))
  const stop = async (): Promise<void> => void (await sdk.shutdown?.())
  const registered = (
    globalThis as Record<symbol, { readonly trace?: unknown; readonly version?: string } | undefined>
  )[REGISTERED]
  if (registered?.trace === undefined) {
    if (otel !== null)
      logger.warn({ module: otel }, 'TAPPET_OTEL registers no tracer provider: there are no spans')
    return { tracing: NO_TRACING, stop }
  }
  const api = await import('@opentelemetry/api')
  // An API sees only what one of its own version, or a later one, has registered.
  if (api.trace.getTracerProvider() === registered.trace) {
    return { tracing: (await import('../tracing/opentelemetry.ts')).createOpenTelemetry(api), stop }
  }
  logger.warn(
    { version: registered.version },
    'the SDK has an older @opentelemetry/api than 1.9: there are no spans',
  )
  return { tracing: NO_TRACING, stop }
}

interface Sdk {
  readonly shutdown?: () => unknown
}

async function load(path: string): Promise<Sdk> {
  try {
    return (await import(pathToFileURL(path).href)) as Sdk
  } catch (cause) {
    const message = `TAPPET_OTEL: ${path} could not be loaded: ${explain(cause)}`
    throw new TappetError('TPT_CONFIG_INVALID', message, { cause })
  }
}
