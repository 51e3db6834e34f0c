import type { Envelope } from '../../events/envelope.ts'
import type { Issue, Schema } from '../../lib/schema.ts'
import type { Trigger } from '../../triggers/trigger.ts'
import { failureOf } from './failure.ts'

/** An event with its schemas applied, or what they say against it. */
export type Checked =
  | { readonly ok: true; readonly event: Envelope }
  | { readonly ok: false; readonly issues: readonly Issue[] }

/**
 * Applies the schemas of a trigger to an event: what stands at each path is replaced by what its schema makes of it.
 * A path whose parent the event does not have is passed over. `event` itself is left as it is.
 */
export async function applySchemas(
  event: Envelope,
  { schemas, mayBeNull = [] }: Pick<Trigger, 'schemas' | 'mayBeNull'>,
): Promise<Checked> {
  const issues: Issue[] = []
  let checked: Envelope = event
  for (const [path, schema] of Object.entries(schemas)) {
    const keys = path.split('.')
    const parent = keys.slice(0, -1).reduce(readKey, event)
    if (!isRecord(parent)) continue
    const value = readKey(parent, keys.at(-1) ?? '')
    if (value === null && mayBeNull.includes(path)) continue
    const outcome = await validate(schema, value, `/${keys.map(escapePointer).join('/')}`)
    if (outcome.ok) checked = replaceAt(checked, keys, outcome.value) as Envelope
    else issues.push(...outcome.issues)
  }
  return issues.length > 0 ? { ok: false, issues } : { ok: true, event: checked }
}

type Validated =
  | { readonly ok: true; readonly value: unknown }
  | { readonly ok: false; readonly issues: readonly Issue[] }

/** A schema that throws takes nothing: it is as if it had said so. */
async function validate(schema: Schema, value: unknown, at: string): Promise<Validated> {
  try {
    const result = await schema['~standard'].validate(value)
    if (!result.issues) return { ok: true, value: result.value }
    const issues = result.issues.map(({ path = [], message }) => ({
      path: at + path.map((step) => `/${escapePointer(String(isRecord(step) ? step.key : step))}`).join(''),
      message,
    }))
    return { ok: false, issues }
  } catch (error) {
    return { ok: false, issues: [{ path: at, message: `its schema threw: ${failureOf(error).message}` }] }
  }
}

function replaceAt(record: unknown, keys: readonly string[], value: unknown): unknown {
  const [key, ...rest] = keys
  if (key === undefined) return value
  return { ...(record as object), [key]: replaceAt(readKey(record, key), rest, value) }
}

function readKey(record: unknown, key: string): unknown {
  return isRecord(record) && Object.hasOwn(record, key) ? record[key] : undefined
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null
}

/** RFC 6901. */
function escapePointer(key: string): string {
  return key.replaceAll('~', '~0').replaceAll('/', '~1')
}
