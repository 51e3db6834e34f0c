import type { Logger } from '../../src/lib/log.ts'

/** A log whose lines from `info` on can be looked at. */
export function recordingLogger(): { readonly logger: Logger; readonly lines: readonly string[] } {
  const lines: string[] = []
  const record = (_fields: object, message: string): void => void lines.push(message)
  const logger: Logger = { debug() {}, info: record, warn: record, error: record, child: () => logger }
  return { logger, lines }
}
