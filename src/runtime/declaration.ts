import { type Duration, toMs } from '../lib/duration.ts'
import type { Declared } from '../triggers/trigger.ts'
import { resolveRetry } from './declared-retry.ts'
import type { LoadedFunction } from './runtime.ts'
import { checkNetwork, resolveIsolation } from './sandbox/confined.ts'

/** What a function's process says that its file declares. Not to be trusted: user code has been running there. */
export interface Declaration {
  readonly handler: unknown
  readonly options: unknown
  readonly on: unknown
  /** True where `env` is a schema; `options` has the names that it asks for. */
  readonly hasEnvSchema?: unknown
  /** It answers requests itself; `bare`: nothing but its being a function says so. */
  readonly web?: 'declared' | 'bare'
}

/** What a function is, apart from where its code is. */
export type Declares = Omit<
  LoadedFunction,
  'id' | 'file' | 'bundle' | 'version' | 'runtime' | 'command' | 'handler' | 'http'
>

/** Longest time that a timer can wait. */
const MAX_DURATION_MS = 2_147_483_647

const DEFAULT_TIMEOUT_MS = 30_000
const DEFAULT_INSTANCE_CONCURRENCY = 10

/** Default of `memory`, in MB. */
export const DEFAULT_MEMORY_MB = 512
export const DEFAULT_MAX_PROCESSES = 64

interface Rule {
  readonly expected: string
  accepts(value: unknown): boolean
}

const RETRY_RULES: Readonly<Record<string, Rule>> = {
  attempts: { expected: 'a whole number from 1 on', accepts: isCount },
  delay: { expected: "like '1s'", accepts: (value) => isDuration(value) },
  factor: { expected: 'a number from 1 on', accepts: (value) => typeof value === 'number' && value >= 1 },
  maxDelay: { expected: "like '5m'", accepts: (value) => isDuration(value) },
  jitter: {
    expected: 'a number from 0 to 1',
    accepts: (value) => typeof value === 'number' && value >= 0 && value <= 1,
  },
}

const RULES: Readonly<Record<string, Rule>> = {
  retry: { expected: 'false or an object', accepts: (value) => value === false || isRecord(value) },
  timeout: { expected: "like '30s'", accepts: (value) => isDuration(value) && toMs(value) > 0 },
  concurrency: { expected: 'a whole number from 1 on', accepts: isCount },
  instanceConcurrency: { expected: 'a whole number from 1 on', accepts: isCount },
  maxInstances: { expected: 'a whole number from 1 on', accepts: isCount },
  provisioned: { expected: 'a whole number from 0 on', accepts: (value) => value === 0 || isCount(value) },
  memory: {
    expected: 'a whole number of MB from 32 on',
    accepts: (value) => isCount(value) && (value as number) >= 32,
  },
  maxProcesses: { expected: 'a whole number from 1 on', accepts: isCount },
  idempotencyKey: { expected: 'a function', accepts: (value) => got(value) === 'a function' },
  orderingKey: { expected: 'a function', accepts: (value) => got(value) === 'a function' },
  isolation: {
    expected: "'process' or 'sandbox'",
    accepts: (value) => value === 'process' || value === 'sandbox',
  },
  network: { expected: 'true or false', accepts: (value) => typeof value === 'boolean' },
  env: {
    expected: 'a list of names of environment variables, or a schema of an object of them',
    accepts: isVariables,
  },
  secrets: { expected: 'a list of names of environment variables', accepts: isVariables },
  database: { expected: 'the name of an environment variable', accepts: isVariable },
}

/** Everything filled in, or what is wrong with it: one sentence per option. */
export function readDeclaration({
  handler,
  options,
  on,
  hasEnvSchema,
}: Declaration): Declares | readonly string[] {
  if (handler !== 'function')
    return [`the handler (second argument) must be a function, got ${String(handler)}`]
  if (!isRecord(options)) return [`the options (first argument) must be an object, got ${got(options)}`]
  const retry = isRecord(options.retry) ? options.retry : {}
  const triggers = Array.isArray(on) ? (on as unknown[]) : [on]
  const problems = [
    ...checkTriggers(on, triggers),
    ...checkOptions(options, ['on', ...Object.keys(RULES)], RULES, ''),
    ...checkInstances(options),
    ...checkEnv(options, hasEnvSchema),
    ...checkNetwork(options),
    ...checkOptions(retry, Object.keys(RETRY_RULES), RETRY_RULES, 'retry.'),
  ]
  if (problems.length > 0) return problems
  const { timeout } = options
  const declared = triggers.map((trigger) => toDeclared(trigger as Readonly<Record<string, unknown>>))
  const concurrency = declared.some(({ oneAtATime }) => oneAtATime) ? 1 : options.concurrency
  return {
    triggers: declared,
    retry: resolveRetry(options.retry === false ? { attempts: 1 } : retry),
    timeoutMs: timeout === undefined ? DEFAULT_TIMEOUT_MS : toMs(timeout as Duration),
    concurrency: (concurrency as number | undefined) ?? null,
    ...resolveInstances(options),
    ...resolveIsolation(options),
    ...resolveVariables(options),
    hasEnvSchema: hasEnvSchema === true,
    hasIdempotencyKey: options.idempotencyKey !== undefined,
    hasOrderingKey: options.orderingKey !== undefined,
  }
}

function checkOptions(
  options: Readonly<Record<string, unknown>>,
  names: readonly string[],
  rules: Readonly<Record<string, Rule>>,
  prefix: string,
): string[] {
  return Object.entries(options).flatMap(([name, value]) => {
    if (!names.includes(name)) return [`\`${prefix}${name}\` is no option; there are ${names.join(', ')}`]
    const rule = rules[name]
    if (!rule || rule.accepts(value)) return []
    return [`\`${prefix}${name}\` must be ${rule.expected}, got ${got(value)}`]
  })
}

function checkInstances({ provisioned, maxInstances }: Readonly<Record<string, unknown>>): string[] {
  if (!isCount(provisioned) || !isCount(maxInstances) || Number(provisioned) <= Number(maxInstances))
    return []
  return [
    `\`provisioned\` must be at most \`maxInstances\`, ${String(maxInstances)}, got ${String(provisioned)}`,
  ]
}

function checkEnv({ env }: Readonly<Record<string, unknown>>, hasSchema: unknown): string[] {
  if (hasSchema !== true || !Array.isArray(env) || env.length > 0) return []
  return ['`env` must be a schema of an object with a property for each variable, got one without any']
}

function resolveVariables(
  options: Readonly<Record<string, unknown>>,
): Pick<LoadedFunction, 'env' | 'secrets' | 'database'> {
  const { env, secrets, database } = options as Partial<Pick<LoadedFunction, 'env' | 'secrets' | 'database'>>
  return { env: env ?? [], secrets: secrets ?? [], database: database ?? null }
}

function resolveInstances(
  options: Readonly<Record<string, unknown>>,
): Pick<
  LoadedFunction,
  'instanceConcurrency' | 'maxInstances' | 'provisioned' | 'memoryMb' | 'maxProcesses'
> {
  const { instanceConcurrency, maxInstances, provisioned, memory, maxProcesses } = options as Readonly<
    Record<string, number | undefined>
  >
  return {
    instanceConcurrency: instanceConcurrency ?? DEFAULT_INSTANCE_CONCURRENCY,
    maxInstances: maxInstances ?? null,
    provisioned: provisioned ?? 0,
    memoryMb: memory ?? DEFAULT_MEMORY_MB,
    maxProcesses: maxProcesses ?? DEFAULT_MAX_PROCESSES,
  }
}

const EXAMPLE = "a trigger, such as http.post('/orders'), or a list of them"

function checkTriggers(on: unknown, triggers: readonly unknown[]): string[] {
  if (on === undefined || triggers.length === 0)
    return [`\`on\` must be ${EXAMPLE}, got ${on ? 'none' : 'nothing'}`]
  return triggers.flatMap((trigger, index) => {
    const at = Array.isArray(on) ? `on[${index}]` : 'on'
    if (!isTrigger(trigger)) return [`\`${at}\` must be ${EXAMPLE}, got ${got(trigger)}`]
    return [...checkSchemas(trigger.schemas, at), ...checkPlain(trigger, at)]
  })
}

function checkSchemas(schemas: Readonly<Record<string, unknown>>, at: string): string[] {
  return Object.entries(schemas)
    .filter(([, schema]) => schema !== true)
    .map(
      ([path, schema]) =>
        `the schema of \`${path}\` in \`${at}\` must be a Standard Schema (zod, valibot, arktype), got ${got(schema)}`,
    )
}

const NOT_PLAIN: readonly string[] = ['schemas', 'samples', 'jsonSchemas']

/** Everything but the schemas travels as JSON; what is made of them is the schemas' business. */
function checkPlain(trigger: Readonly<Record<string, unknown>>, at: string): string[] {
  const wrong = Object.entries(trigger).find(
    ([name, value]) => !NOT_PLAIN.includes(name) && hasUnprintable(value),
  )
  return wrong ? [`\`${at}.${wrong[0]}\` must be plain data, got ${got(wrong[1])}`] : []
}

function toDeclared(trigger: Readonly<Record<string, unknown>>): Declared {
  return { ...trigger, schemas: Object.keys(trigger.schemas as object) } as unknown as Declared
}

/** A value as people wrote it, short. */
function got(value: unknown): string {
  if (typeof value === 'string') return `'${value.slice(0, 80)}'`
  if (isRecord(value) && typeof value['~'] === 'string') return value['~'].slice(0, 80)
  if (value === undefined) return 'nothing'
  const json = JSON.stringify(value)
  if (json.length <= 80 && !hasUnprintable(value)) return json
  return Array.isArray(value) ? 'a list' : 'an object'
}

function hasUnprintable(value: unknown): boolean {
  if (Array.isArray(value)) return value.some(hasUnprintable)
  return isRecord(value) && ('~' in value || Object.values(value).some(hasUnprintable))
}

function isTrigger(value: unknown): value is { readonly schemas: Readonly<Record<string, unknown>> } {
  return (
    isRecord(value) &&
    typeof value.kind === 'string' &&
    typeof value.label === 'string' &&
    isRecord(value.schemas)
  )
}

function isDuration(value: unknown): value is Duration {
  try {
    return typeof value === 'string' && toMs(value as Duration) <= MAX_DURATION_MS
  } catch {
    return false
  }
}

function isCount(value: unknown): boolean {
  return Number.isSafeInteger(value) && (value as number) >= 1
}

function isVariables(value: unknown): boolean {
  return Array.isArray(value) && value.every(isVariable)
}

function isVariable(value: unknown): boolean {
  return typeof value === 'string' && /^[A-Za-z_]\w*$/.test(value)
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
