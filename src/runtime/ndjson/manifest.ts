import * as z from 'zod'
import { type Declares, readDeclaration } from '../declaration.ts'
import type { HttpTarget } from '../runtime.ts'
import {
  checkLeftOut,
  defaultCommand,
  ownOptions,
  type RuntimeName,
  runtimeShape,
  withDefaults,
} from './runtimes.ts'
import { type TriggerSpec, toTrigger, triggerSpec } from './trigger-spec.ts'
import { at, object, show } from './shape.ts'

/** What a `tappet.json` or a header says, with every default filled in. */
export interface Manifest extends Declares {
  readonly runtime: RuntimeName
  /** Program and arguments; null where the declaration leaves it to the kind of file. */
  readonly command: readonly string[] | null
  /** See `LoadedFunction`. */
  readonly handler?: string
  readonly http?: HttpTarget
}

const SHARED = [
  'retry',
  'timeout',
  'concurrency',
  'instanceConcurrency',
  'maxInstances',
  'provisioned',
  'env',
  'secrets',
]

const argument = z.string('a text').min(1, 'a text that is not empty')

const manifest = object({
  ...runtimeShape,
  command: z
    .array(argument, "a list, such as ['python3', 'main.py']")
    .min(1, 'a program and its arguments')
    .optional(),
  on: z.unknown().optional(),
  // Judged by the rules of `defineFunction`, so that their messages are the same.
  ...Object.fromEntries(SHARED.map((name) => [name, z.unknown().optional()])),
})

/** Everything filled in, or what is wrong with it: one sentence per mistake. */
export function readManifest(text: string, needsCommand: boolean): Manifest | readonly string[] {
  const said = parse(text)
  if ('problem' in said) return [said.problem]
  const { value } = said
  const command = value.command ?? (needsCommand ? defaultCommand(value) : null)
  const options = known(value)
  const triggers = readTriggers(value.on)
  const head = manifest.safeParse(value)
  const declared = readDeclaration({
    handler: 'function',
    options: withDefaults(options, value),
    on: triggers.specs.length > 0 ? triggers.specs.map(toTrigger) : [PLACEHOLDER],
  })
  const problems = [
    ...(head.success ? [] : head.error.issues.map((issue) => sentence(issue, value))),
    ...triggers.problems,
    ...('triggers' in declared ? [] : declared),
    ...(command === undefined
      ? ["`command` must be a list, such as ['python3', 'main.py'], got nothing"]
      : []),
    ...checkLeftOut(value),
  ]
  if (problems.length > 0 || !('triggers' in declared)) return problems
  return {
    ...declared,
    runtime: value.runtime as RuntimeName,
    command: command as readonly string[] | null,
    ...ownOptions(value),
  }
}

const PLACEHOLDER = { kind: 'none', label: 'none', schemas: {} }

function parse(text: string): { readonly value: Record<string, unknown> } | { readonly problem: string } {
  try {
    const value = JSON.parse(text) as unknown
    if (typeof value === 'object' && value !== null && !Array.isArray(value))
      return { value: value as Record<string, unknown> }
    return { problem: `must be a JSON object, got ${show(value)}` }
  } catch (error) {
    return { problem: `must be JSON: ${error instanceof Error ? error.message : String(error)}` }
  }
}

/** Each by itself, so that a mistake is told once, and where it is. */
function readTriggers(on: unknown): { readonly specs: TriggerSpec[]; readonly problems: string[] } {
  const list = Array.isArray(on) ? (on as unknown[]) : [on]
  if (on === undefined || list.length === 0)
    return { specs: [], problems: [`\`on\` must be a trigger or a list of them, got ${show(on)}`] }
  const specs: TriggerSpec[] = []
  const problems: string[] = []
  for (const [place, one] of list.entries()) {
    const prefix = Array.isArray(on) ? `on[${place}]` : 'on'
    const read = triggerSpec.safeParse(one)
    if (read.success) specs.push(read.data)
    else problems.push(...read.error.issues.map((issue) => sentence(issue, one, prefix)))
  }
  return { specs, problems }
}

function known(options: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(options).filter(([name]) => SHARED.includes(name)))
}

/** The message of an issue says what was expected. */
function sentence(issue: z.core.$ZodIssue, value: unknown, prefix = ''): string {
  const path = issue.path.reduce<string>(
    (before, part) => (typeof part === 'number' ? `${before}[${part}]` : `${before}.${String(part)}`),
    prefix,
  )
  const name = path.replace(/^\./, '')
  if (issue.code === 'unrecognized_keys') {
    const where = name === '' ? '' : `${name}.`
    return issue.keys
      .map((key) => `\`${where}${key}\` is no option; there are ${issue.message}`)
      .join(', and ')
  }
  return `\`${name}\` must be ${issue.message}, got ${show(at(value, issue.path))}`
}
