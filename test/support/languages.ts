import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { loadNdjsonCatalog } from '../../src/runtime/ndjson/catalog.ts'
import { createNdjsonRuntime, type NdjsonRuntimeOptions } from '../../src/runtime/ndjson/ndjson.ts'
import type { Catalog } from '../../src/runtime/catalog.ts'
import type { LogLine } from '../../src/runtime/runtime.ts'
import { recordingLogger } from './recording-logger.ts'
import { fakeHost, type ProcessHarness } from './runtime.ts'

/** Why tests of functions in Python are skipped; false when they are not. */
export const noPython: string | false = hasPython() ? false : 'no python3 on the PATH'

function hasPython(): boolean {
  try {
    execFileSync('python3', ['--version'], { stdio: 'ignore' })
    return true
  } catch {
    return false
  }
}

export const PATH = process.env.PATH ?? ''

export function loadLanguages(root: string): Promise<Catalog> {
  return loadNdjsonCatalog({ root, path: PATH })
}

export function startLanguages(more: Partial<NdjsonRuntimeOptions> = {}): ProcessHarness {
  const host = fakeHost()
  const logs: LogLine[] = []
  const { logger, lines } = recordingLogger()
  const runtime = createNdjsonRuntime({
    host,
    environment: () => ({ PATH }),
    onLog: (written) => void logs.push(...written),
    logger,
    ...more,
  })
  return { runtime, host, logs, output: lines, close: () => runtime.close() }
}

/** The value has these properties, and may have others. */
export function assertPartial(value: unknown, expected: object): void {
  const own = Object.fromEntries(
    Object.keys(expected).map((name) => [name, (value as Record<string, unknown> | undefined)?.[name]]),
  )
  assert.deepEqual(own, expected)
}
