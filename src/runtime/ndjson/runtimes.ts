import * as z from 'zod'
import type { HttpTarget, LoadedFunction } from '../runtime.ts'
import { show } from './shape.ts'

export type RuntimeName = Exclude<NonNullable<LoadedFunction['runtime']>, 'node'>
type Said = Readonly<Record<string, unknown>>

interface Rules {
  /** For messages. */
  readonly name: string
  readonly defaults: Said
  /** Options that cannot be said otherwise. */
  readonly fixed: Said
  /** Options that it alone has. */
  readonly own: readonly string[]
  /** Options that it has not. */
  readonly without?: readonly string[]
  /** What is run when nothing is said; without, it must be. */
  readonly command?: readonly string[]
}

// A program that reads a line, works and writes a line takes one call at a time.
const ONE_AT_A_TIME = { instanceConcurrency: 1 }

const RULES: Readonly<Record<RuntimeName, Rules>> = {
  ndjson: { name: "runtime 'ndjson'", defaults: ONE_AT_A_TIME, fixed: {}, own: [] },
  // A process a call: there is nothing to keep ready and nothing to share.
  script: { name: "runtime 'script'", defaults: {}, fixed: { ...ONE_AT_A_TIME, provisioned: 0 }, own: [] },
  // The next event is asked for when the last has been answered. Lambda runs `bootstrap` where no layer brings a runtime.
  lambda: {
    ...{ name: "runtime 'lambda'", defaults: {}, fixed: ONE_AT_A_TIME },
    ...{ own: ['handler'], command: ['./bootstrap'] },
  },
  http: { name: "runtime 'http'", defaults: {}, fixed: {}, own: ['url', 'path', 'ready', 'content'] },
}

/** A server that somebody else runs: there is one, and it is not ours to start. */
const GIVEN_SERVER: Rules = {
  ...RULES.http,
  name: 'a `url`',
  fixed: { maxInstances: 1, provisioned: 0 },
  without: ['command', 'path'],
  command: [],
}

const RUNTIME_NAMES = Object.keys(RULES) as RuntimeName[]
const OWN = Object.values(RULES).flatMap(({ own }) => own)
const LOOPBACK = ['127.0.0.1', 'localhost', '[::1]']

const path = z
  .string("a path, such as '/events'")
  .regex(/^\/[\u0021-\u007e]*$/, "a path, such as '/events'")
  .optional()

/** Which runtime, and the options that only some have. */
export const runtimeShape = {
  runtime: z.enum(RUNTIME_NAMES, "'ndjson', 'script', 'lambda' or 'http'"),
  handler: z.string('a text').min(1, 'a text that is not empty').optional(),
  url: z.custom<string>(isLoopbackUrl, "a loopback URL, such as 'http://127.0.0.1:8080/events'").optional(),
  path,
  ready: path,
  content: z.enum(['binary', 'structured'], "'binary' or 'structured'").optional(),
}

export function withDefaults(options: Said, said: Said): Said {
  const rules = rulesOf(said)
  return { ...rules?.defaults, ...options, ...rules?.fixed }
}

/** What is run when nothing is said; undefined when something must be. */
export function defaultCommand(said: Said): readonly string[] | undefined {
  return rulesOf(said)?.command
}

/** One sentence for each option that must be left out. */
export function checkLeftOut(said: Said): string[] {
  const rules = rulesOf(said)
  if (!rules) return []
  const { name, fixed, own, without = [] } = rules
  return [...Object.keys(fixed), ...without, ...OWN.filter((option) => !own.includes(option))]
    .filter((option) => said[option] !== undefined)
    .map((option) => `\`${option}\` must be left out with ${name}, got ${show(said[option])}`)
}

/** What is only so with one runtime, of a declaration that has been found good. */
export function ownOptions(said: Said): { readonly handler?: string; readonly http?: HttpTarget } {
  const { runtime, handler, url } = said as { readonly [name: string]: string | undefined }
  if (runtime === 'lambda' && handler !== undefined) return { handler }
  if (runtime !== 'http') return {}
  const { path: posted = '/', ready = null, content = 'binary' } = said as Partial<HttpTarget>
  const given = url === undefined ? null : new URL(url)
  const target = given ? given.pathname + given.search : posted
  return { http: { url: url ?? null, path: target, ready, content } }
}

function rulesOf({ runtime, url }: Said): Rules | undefined {
  if (runtime === 'http' && url !== undefined) return GIVEN_SERVER
  return RUNTIME_NAMES.includes(runtime as RuntimeName) ? RULES[runtime as RuntimeName] : undefined
}

function isLoopbackUrl(value: unknown): boolean {
  if (typeof value !== 'string' || !URL.canParse(value)) return false
  const { protocol, hostname, username } = new URL(value)
  return protocol === 'http:' && LOOPBACK.includes(hostname) && username === ''
}
