import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { parseEnv } from 'node:util'
import * as z from 'zod'
import { readAlerts } from './alerts/read-settings.ts'
import type { AlertSettings } from './alerts/settings.ts'
import { atLeast, duration, list, url } from './config-values.ts'
import { TappetError } from './errors.ts'

/** What one process may do. Every role may run any number of times. */
export const ROLES = ['http', 'triggers', 'worker'] as const
export type Role = (typeof ROLES)[number]

/** Everything that the environment decides, read once. Nothing else in `src` reads `process.env`. */
export interface Config {
  /** The project's folder, absolute. */
  readonly root: string
  /** What Tappet keeps between starts: `.tappet/` in the project's folder. */
  readonly stateFolder: string
  readonly host: string
  readonly port: number
  /** Null: an embedded Postgres in the state folder. */
  readonly databaseUrl: string | null
  /** Null: the queue is on Postgres. */
  readonly redisUrl: string | null
  readonly redisPrefix: string | null
  readonly roles: readonly Role[]
  /** Most attempts of one function at once in this process. */
  readonly concurrency: number
  /** Null: a key is made at the first start and kept in the state folder. */
  readonly adminToken: string | null
  /** Whether anybody may read `/metrics`, not only holders of a key. */
  readonly openMetrics: boolean
  readonly logLevel: 'debug' | 'info' | 'warn' | 'error' | 'silent'
  readonly logFormat: 'json' | 'pretty'
  readonly shutdownTimeoutMs: number
  readonly retentionMs: number
  readonly deadRetentionMs: number
  readonly durability: 'strict' | 'fast'
  /** `sandbox`: all functions run in sandboxes, whatever they declare. */
  readonly isolation: 'process' | 'sandbox'
  /** Names this project among others on one database. */
  readonly project: string
  /** Whom to tell when something is wrong; null: nobody. */
  readonly alerts: AlertSettings | null
  /** A module that registers an OpenTelemetry SDK; null: none of ours to load. */
  readonly otel: string | null
  /**
   * Any variable: secrets and URLs that declarations name, and what functions are given. One that is not set is read
   * from the file that `NAME_FILE` names; throws TPT_CONFIG_INVALID if that cannot be read.
   */
  readonly variable: (name: string) => string | undefined
}

/** What the command line says beside the environment; it wins. */
export interface ConfigOverrides {
  readonly root?: string
  readonly host?: string
  readonly port?: number
  readonly roles?: readonly Role[]
  readonly logLevel?: Config['logLevel']
  readonly logFormat?: Config['logFormat']
}

export type Environment = Readonly<Record<string, string | undefined>>

const MIN_RETENTION_MS = 96 * 3_600_000

const Variables = z.object({
  HOST: z.string().min(1).default('127.0.0.1'),
  PORT: z.coerce.number('must be a port number, 0 to 65535').int().min(0).max(65_535).default(4400),
  DATABASE_URL: url('postgres', 'postgresql').optional(),
  REDIS_URL: url('redis', 'rediss', 'valkey', 'valkeys').optional(),
  TAPPET_REDIS_PREFIX: z
    .string()
    .regex(/^[\w{}-]{1,40}$/, 'must be 1 to 40 letters, digits, - or {}')
    .optional(),
  TAPPET_ROLES: z
    .string()
    .transform((text) => text.split(',').map((role) => role.trim()))
    .pipe(z.array(z.enum(['all', ...ROLES])))
    .default(['all']),
  TAPPET_CONCURRENCY: z.coerce.number('must be a number, 1 to 1000').int().min(1).max(1_000).default(10),
  TAPPET_ADMIN_TOKEN: z.string().min(20, 'must be at least 20 characters').optional(),
  TAPPET_METRICS: z.enum(['key', 'public']).default('key'),
  TAPPET_SHUTDOWN_TIMEOUT: duration.default(30_000),
  TAPPET_RETENTION: duration
    .refine((ms) => ms >= MIN_RETENTION_MS, 'must be at least 96h: repeats within that time are recognised')
    .default(7 * 86_400_000),
  TAPPET_DEAD_RETENTION: duration
    .refine((ms) => ms >= 30 * 86_400_000, 'must be at least 30d')
    .default(90 * 86_400_000),
  TAPPET_DURABILITY: z.enum(['strict', 'fast']).default('strict'),
  TAPPET_ISOLATION: z.enum(['process', 'sandbox']).default('process'),
  TAPPET_PROJECT: z
    .string()
    .regex(/^[\w-]{1,40}$/, 'must be 1 to 40 letters, digits, _ or -')
    .default('default'),
  TAPPET_OTEL: z.string().min(1).optional(),
  TAPPET_ALERT_WEBHOOK_URL: url('http', 'https').optional(),
  TAPPET_ALERT_WEBHOOK_SECRET: z
    .string()
    .regex(/^(whsec_)?[A-Za-z0-9+/]{32,}={0,2}$/, 'must be like whsec_<base64>, of at least 24 bytes')
    .optional(),
  TAPPET_ALERT_SLACK_URL: url('http', 'https').optional(),
  TAPPET_ALERT_SMTP_URL: url('smtp', 'smtps').optional(),
  TAPPET_ALERT_MAIL_TO: list.default([]),
  TAPPET_ALERT_MAIL_FROM: z.string().default('tappet@localhost'),
  TAPPET_ALERT_ALLOW_HOSTS: list.default([]),
  TAPPET_ALERT_EVERY: atLeast(1_000, '1s').default(15_000),
  TAPPET_ALERT_WINDOW: atLeast(1_000, '1s').default(600_000),
  TAPPET_ALERT_FAILURES: z.coerce.number('must be a number from 1 on').int().min(1).max(500).default(5),
  TAPPET_ALERT_QUEUE_AGE: atLeast(1_000, '1s').default(300_000),
  LOG_LEVEL: z.enum(['debug', 'info', 'warn', 'error', 'silent']).default('info'),
  LOG_FORMAT: z.enum(['json', 'pretty']).optional(),
})

/** What `dev` and the command line read beside the environment, the later over the earlier. */
export const ENV_FILES = ['.env', '.env.local']

/**
 * The process's environment over what files in the project's folder say; of two files, the later wins.
 *
 * @throws TappetError TPT_CONFIG_INVALID when a file cannot be read; one that is not there only if it is `required`.
 */
export function readEnvironment(root: string, files: readonly string[] = [], required = false): Environment {
  const read = files.map((file) => readEnvFile(resolve(root, file), required))
  return Object.assign({}, ...read, process.env) as Environment
}

function readEnvFile(path: string, required: boolean): Environment {
  try {
    return parseEnv(readFileSync(path, 'utf8'))
  } catch (cause) {
    if (!required && (cause as NodeJS.ErrnoException).code === 'ENOENT') return {}
    throw new TappetError('TPT_CONFIG_INVALID', `expected a file of variables, got: ${String(cause)}`, {
      cause,
    })
  }
}

/** Our own variables that hold secrets: these may be in files, too. */
const IN_FILES = ['DATABASE_URL', 'REDIS_URL', 'TAPPET_ADMIN_TOKEN', 'TAPPET_ALERT_WEBHOOK_SECRET']

/** A variable by its name, or what is in the file that `NAME_FILE` names, without a line break at its end. */
function createLookup(environment: Environment): Config['variable'] {
  const read = new Map<string, string>()
  return (name) => {
    const path = environment[`${name}_FILE`]
    if (environment[name] || !path) return environment[name]
    const value = read.get(name) ?? readSecret(name, path)
    read.set(name, value)
    return value
  }
}

function readSecret(name: string, path: string): string {
  try {
    return readFileSync(path, 'utf8').replace(/\r?\n$/, '')
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException
    const message = `environment variable ${name}_FILE must be the path of a file that can be read, got ${path} (${code})`
    throw new TappetError('TPT_CONFIG_INVALID', message, { cause })
  }
}

/** @throws TappetError TPT_CONFIG_INVALID naming the variable, what was expected and what came. */
export function readConfig(environment: Environment = process.env, overrides: ConfigOverrides = {}): Config {
  const variable = createLookup(environment)
  const fromFiles = Object.fromEntries(IN_FILES.map((name) => [name, variable(name) ?? '']))
  const parsed = Variables.safeParse(withoutEmpty({ ...environment, ...fromFiles }))
  if (!parsed.success) throw invalid(parsed.error.issues, environment)
  const variables = parsed.data
  const root = resolve(overrides.root ?? '.')
  const read: Config = {
    root,
    stateFolder: resolve(root, '.tappet'),
    host: variables.HOST,
    port: variables.PORT,
    databaseUrl: variables.DATABASE_URL ?? null,
    redisUrl: variables.REDIS_URL ?? null,
    redisPrefix: variables.TAPPET_REDIS_PREFIX ?? null,
    roles: rolesOf(variables.TAPPET_ROLES),
    concurrency: variables.TAPPET_CONCURRENCY,
    adminToken: variables.TAPPET_ADMIN_TOKEN ?? null,
    openMetrics: variables.TAPPET_METRICS === 'public',
    logLevel: variables.LOG_LEVEL,
    logFormat: variables.LOG_FORMAT ?? (process.stderr.isTTY ? 'pretty' : 'json'),
    shutdownTimeoutMs: variables.TAPPET_SHUTDOWN_TIMEOUT,
    retentionMs: variables.TAPPET_RETENTION,
    deadRetentionMs: variables.TAPPET_DEAD_RETENTION,
    durability: variables.TAPPET_DURABILITY,
    isolation: variables.TAPPET_ISOLATION,
    project: variables.TAPPET_PROJECT,
    alerts: readAlerts(variables),
    otel: variables.TAPPET_OTEL ?? null,
    variable,
  }
  return { ...read, ...overrides, root }
}

function rolesOf(names: readonly string[]): readonly Role[] {
  return names.includes('all') ? ROLES : (names as Role[])
}

/** An empty variable means the same as one that is not set, as in every shell. */
function withoutEmpty(environment: Environment): Environment {
  return Object.fromEntries(Object.entries(environment).filter(([, value]) => value !== ''))
}

const SECRET = /URL|TOKEN|SECRET|KEY|PASSWORD/

function invalid(issues: readonly z.core.$ZodIssue[], environment: Environment): TappetError {
  const lines = issues.map(({ path, message }) => {
    const name = String(path[0])
    const got = SECRET.test(name) ? 'a value that is not shown' : JSON.stringify(environment[name])
    return `environment variable ${name} ${message}, got ${got}`
  })
  return new TappetError('TPT_CONFIG_INVALID', lines.join('; '))
}
