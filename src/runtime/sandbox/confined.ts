import { readFileSync } from 'node:fs'
import type { LoadPayload } from '../runner/main.ts'
import type { LoadedFunction } from '../runtime.ts'
import { SANDBOX_ENVIRONMENT, type View } from './bubblewrap.ts'

/** What a function's process sees of the machine; null for one in no sandbox. */
export function viewOf({ isolation, network = false, reads = [] }: LoadedFunction): View | null {
  return isolation === 'sandbox' ? { network, reads } : null
}

/**
 * What a process is given with its function. A sandbox was made before it was known what for: the bundle comes over the
 * socket. Without a network there is no database.
 */
export function loadOf(
  fn: LoadedFunction,
  environment: LoadPayload['environment'],
  databaseUrl: string,
): LoadPayload {
  if (fn.isolation !== 'sandbox') return { environment, databaseUrl, text: null }
  return {
    environment: { ...environment, ...SANDBOX_ENVIRONMENT },
    databaseUrl: fn.network === true ? databaseUrl : '',
    text: readFileSync(fn.bundle, 'utf8'),
  }
}

/** `network: false` would mean nothing outside of a sandbox. */
export function checkNetwork({ isolation, network }: Readonly<Record<string, unknown>>): string[] {
  if (network !== false || isolation === 'sandbox') return []
  return ["`network: false` needs `isolation: 'sandbox'`, got none"]
}

export function resolveIsolation({
  isolation,
  network,
}: Readonly<Record<string, unknown>>): Required<Pick<LoadedFunction, 'isolation' | 'network'>> {
  return { isolation: isolation === 'sandbox' ? 'sandbox' : 'process', network: network === true }
}
