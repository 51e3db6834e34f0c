import { inspect } from 'node:util'
import type { LogLine, LogLevel } from '../runtime.ts'

/** Where a run's lines go. Keeps one run from filling the ledger: over the limit it says so once and drops the rest. */
export interface RunLog {
  write(level: LogLevel, message: string, fields: object | null): void
}

const MAX_LINE_CHARS = 16_384
const MAX_FIELDS_CHARS = 16_384
export const MAX_RUN_LINES = 5_000
export const MAX_RUN_CHARS = 1_048_576

export function createRunLog(
  { runId, attempt }: Pick<LogLine, 'runId' | 'attempt'>,
  emit: (line: LogLine) => void,
): RunLog {
  let lines = 0
  let chars = 0
  let full = false
  const line = (level: LogLevel, message: string, fields: LogLine['fields']): LogLine => ({
    runId,
    attempt,
    time: new Date().toISOString(),
    level,
    message,
    fields,
  })
  return {
    write(level, text, given) {
      if (full) return
      const message = clip(text)
      const fields = given === null ? null : toFields(given)
      lines++
      chars += message.length + (fields === null ? 0 : JSON.stringify(fields).length)
      full = lines > MAX_RUN_LINES || chars > MAX_RUN_CHARS
      if (!full) return emit(line(level, message, fields))
      const limit = `${MAX_RUN_LINES} lines or ${MAX_RUN_CHARS} characters`
      emit(line('warn', `log cut off: an attempt may write ${limit}`, null))
    },
  }
}

function clip(text: string): string {
  const { length } = text
  return length <= MAX_LINE_CHARS
    ? text
    : `${text.slice(0, MAX_LINE_CHARS)}… (${length - MAX_LINE_CHARS} more)`
}

/** The fields as JSON can hold them: errors by name, message and stack; what cannot be, as Node prints it. */
function toFields(fields: object): LogLine['fields'] {
  let json: string
  try {
    const given = fields instanceof Error ? { err: fields } : fields
    json = JSON.stringify(given, readable) ?? 'null'
  } catch {
    json = JSON.stringify({ value: inspect(fields, { depth: 4 }) })
  }
  if (json.length > MAX_FIELDS_CHARS) return { truncated: json.slice(0, MAX_FIELDS_CHARS) }
  const value = JSON.parse(json) as unknown
  return typeof value === 'object' && value !== null && !Array.isArray(value)
    ? (value as Record<string, unknown>)
    : { value }
}

function readable(_key: string, value: unknown): unknown {
  if (typeof value === 'bigint') return String(value)
  return value instanceof Error ? { name: value.name, message: value.message, stack: value.stack } : value
}
