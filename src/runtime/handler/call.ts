import type { FunctionDefinition } from '../../define/define-function.ts'
import type { Context } from '../../define/context.ts'
import { type Failure, TappetError } from '../../errors.ts'
import { type Envelope, MAX_ATTRIBUTE } from '../../events/envelope.ts'
import type { Issue } from '../../lib/schema.ts'
import type { Trigger } from '../../triggers/trigger.ts'
import type { Admission } from '../runtime.ts'
import { failureOf } from './failure.ts'
import { encodeResult } from './result.ts'
import { applySchemas } from './schemas.ts'

/** How a handler came out: its result as JSON, or the failure. */
export type Answer =
  | { readonly ok: true; readonly json: Buffer }
  | { readonly ok: false; readonly failure: Failure }

export interface CallOptions {
  /** Place in `on` of the trigger whose schemas apply. */
  readonly trigger: number
  readonly maxResultBytes: number
}

/** Runs the handler on an event. Never rejects. */
export async function callHandler(
  definition: FunctionDefinition,
  event: Envelope,
  ctx: Context,
  { trigger, maxResultBytes }: CallOptions,
): Promise<Answer> {
  try {
    const checked = await applySchemas(event, triggerOf(definition, trigger))
    if (!checked.ok) throw eventInvalid(checked.issues)
    // An event that could not be refused may have none: run without its order, it would break it.
    const order = keyOf(definition, 'orderingKey', checked.event)
    if (!order.ok) throw eventInvalid(order.issues)
    const result = await definition.handler(checked.event, ctx)
    return { ok: true, json: await encodeResult(result, maxResultBytes) }
  } catch (error) {
    return { ok: false, failure: failureOf(error) }
  }
}

/** Checks an event and computes its keys. What the author's code throws is an issue. */
export async function admitEvent(
  definition: FunctionDefinition,
  event: Envelope,
  trigger: number,
): Promise<Admission> {
  const checked = await applySchemas(event, triggerOf(definition, trigger))
  if (!checked.ok) return checked
  const run = keyOf(definition, 'idempotencyKey', checked.event)
  const order = keyOf(definition, 'orderingKey', checked.event)
  if (!run.ok) return run
  return order.ok ? { ok: true, key: run.key, orderingKey: order.key } : order
}

type Key =
  | { readonly ok: true; readonly key: string | null }
  | { readonly ok: false; readonly issues: readonly Issue[] }

function keyOf(
  { options }: FunctionDefinition,
  name: 'idempotencyKey' | 'orderingKey',
  event: Envelope,
): Key {
  const compute = options[name]
  if (!compute) return { ok: true, key: null }
  try {
    const key: unknown = compute(event)
    const wrong = keyProblem(key)
    return wrong === null ? { ok: true, key: key as string } : refused(name, `must return ${wrong}`)
  } catch (error) {
    return refused(name, `threw: ${failureOf(error).message}`)
  }
}

function triggerOf({ options }: FunctionDefinition, trigger: number): Trigger {
  const declared = [options.on].flat()[trigger]
  if (!declared) {
    throw new TappetError('TPT_INTERNAL', `expected a trigger at place ${trigger} of \`on\`, got none`)
  }
  return declared
}

function eventInvalid(issues: readonly Issue[]): TappetError {
  const said = issues.map(({ path, message }) => `${path}: ${message}`).join('; ')
  return new TappetError('TPT_EVENT_INVALID', `the event does not match its schema: ${said}`, { issues })
}

/** Null when it can be a key: what can name an event. */
function keyProblem(key: unknown): string | null {
  if (typeof key !== 'string')
    return `a string, got ${key === null ? 'null' : `a value of type ${typeof key}`}`
  if (key.length === 0 || key.length > MAX_ATTRIBUTE)
    return `1 to ${MAX_ATTRIBUTE} characters, got ${key.length}`
  return key.includes('\u0000') ? 'text without NUL' : null
}

function refused(name: string, message: string): Key {
  return { ok: false, issues: [{ path: '', message: `\`${name}\` ${message}` }] }
}
