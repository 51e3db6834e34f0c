import type { FunctionOptions } from '../../define/define-function.ts'
import { TappetError } from '../../errors.ts'
import type { Schema } from '../../lib/schema.ts'
import { failureOf } from './failure.ts'

type Given = Readonly<Record<string, string | undefined>>

/**
 * What `ctx.env` is: the variables that `env` names, or what its schema makes of them. An empty variable is none.
 *
 * @throws TappetError TPT_CONFIG_INVALID naming each variable that is not as the schema says; never with its value.
 */
export async function readVariables(
  { env }: Pick<FunctionOptions, 'env'>,
  names: readonly string[],
  given: Given,
  file: string,
): Promise<unknown> {
  const set = Object.fromEntries(names.flatMap((name) => (given[name] ? [[name, given[name]]] : [])))
  if (!isSchema(env)) return set
  const result = await validate(env, set, file)
  if (!result.issues) return result.value
  const said = result.issues.map(({ path = [], message }) => {
    const [step] = path
    const name = String(typeof step === 'object' ? step.key : (step ?? names.join(', ')))
    return `environment variable ${name}: ${withoutValue(message, Object.values(set))}, got ${
      set[name] === undefined ? 'nothing' : 'a value that is not shown'
    }`
  })
  throw invalid(file, said.join('; '))
}

async function validate(schema: Schema, value: Given, file: string) {
  try {
    return await schema['~standard'].validate(value)
  } catch (error) {
    throw invalid(
      file,
      `the schema of \`env\` threw: ${withoutValue(failureOf(error).message, Object.values(value))}`,
    )
  }
}

function invalid(file: string, message: string): TappetError {
  return new TappetError('TPT_CONFIG_INVALID', `${file}: ${message}`)
}

/** Libraries say what was expected, and then, some of them, what came. */
function withoutValue(message: string, values: readonly (string | undefined)[]): string {
  const expected = message.replace(/[,:;]?\s*(but )?\b(received|got|was)\b.*$/is, '')
  return values.reduce<string>(
    (text, value) => (value ? text.replaceAll(patternOf(value), '…') : text),
    expected,
  )
}

/** A short value only where it stands by itself. */
function patternOf(value: string): RegExp {
  const literal = value.replaceAll(/[\\^$.*+?()[\]{}|]/g, '\\$&')
  return new RegExp(value.length < 4 ? `(?<!\\w)${literal}(?!\\w)` : literal, 'g')
}

/** Which properties a schema of an object looks at: no library says it in the same way, so it is watched. */
export function namesIn(schema: Schema): string[] {
  const names = new Set<string>()
  const note = (key: PropertyKey): undefined => {
    if (typeof key === 'string' && /^[A-Za-z_]\w*$/.test(key) && !(key in Object.prototype) && key !== 'then')
      names.add(key)
  }
  const watched = new Proxy(
    {},
    {
      get: (_target, key) => note(key),
      has: (_target, key) => {
        note(key)
        return false
      },
      getOwnPropertyDescriptor: (_target, key) => note(key),
    },
  )
  try {
    const result = schema['~standard'].validate(watched)
    if (result instanceof Promise) result.catch(() => undefined)
  } catch {
    // What it has looked at until then counts.
  }
  return [...names]
}

function isSchema(value: unknown): value is Schema {
  return !Array.isArray(value) && typeof (value as Schema | undefined)?.['~standard'] === 'object'
}
