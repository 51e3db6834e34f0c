import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import * as v from 'valibot'
import * as z from 'zod'
import type { Schema } from '../../src/lib/schema.ts'
import { namesIn, readVariables } from '../../src/runtime/handler/variables.ts'

const FILE = 'functions/pay.ts'

const messageOf = async (env: Schema, given: Record<string, string>): Promise<string> => {
  try {
    await readVariables({ env }, namesIn(env), given, FILE)
  } catch (error) {
    assert.equal((error as { code?: string }).code, 'TPT_CONFIG_INVALID')
    return (error as Error).message
  }
  return assert.fail('expected it to be refused')
}

describe('the names that a schema asks for', () => {
  const schemas: readonly (readonly [string, Schema, readonly string[]])[] = [
    [
      'zod',
      z.object({ A: z.string(), B: z.coerce.number().optional(), C: z.string().default('c') }),
      ['A', 'B', 'C'],
    ],
    ['zod, strict', z.strictObject({ A: z.string() }), ['A']],
    [
      'zod, refined and transformed',
      z
        .object({ A: z.string() })
        .refine(() => true)
        .transform((x) => x.A),
      ['A'],
    ],
    ['zod, a union', z.union([z.object({ A: z.string() }), z.object({ B: z.string() })]), ['A', 'B']],
    ['zod, async', z.object({ A: z.string().refine(async () => true) }), ['A']],
    ['valibot', v.object({ A: v.string(), B: v.optional(v.string()) }), ['A', 'B']],
    ['no object', z.string(), []],
  ]
  for (const [name, schema, expected] of schemas)
    test(name, () => assert.deepEqual(namesIn(schema).toSorted(), expected))
})

describe('variables', () => {
  test('of a list are those that are set; an empty one is none', async () => {
    const given = { A: 'a', B: '', PATH: '/bin' }
    assert.deepEqual(await readVariables({ env: ['A', 'B', 'C'] }, ['A', 'B', 'C'], given, FILE), { A: 'a' })
  })

  test('of a schema are what it makes of them, and of nothing else', async () => {
    const env = z.strictObject({
      PORT: z.coerce.number(),
      MODE: z.enum(['a', 'b']).default('b'),
      X: z.string().optional(),
    })
    const given = { PORT: '80', PATH: '/bin', MODE: '' }
    assert.deepEqual(await readVariables({ env }, namesIn(env), given, FILE), { PORT: 80, MODE: 'b' })
  })

  test('that are wrong are named with what was expected', async () => {
    const env = z.object({ PORT: z.coerce.number('a port'), KEY: z.string(), URL: z.url() })
    const message = await messageOf(env, { PORT: 'x', URL: 'nowhere' })
    assert.match(
      message,
      /^functions\/pay\.ts: environment variable PORT: a port, got a value that is not shown; /,
    )
    assert.match(message, /; environment variable KEY: Invalid input: expected string, got nothing; /)
    assert.match(message, /; environment variable URL: Invalid URL, got a value that is not shown$/)
  })

  const value = 'hunter2-and-more'
  const leaky: readonly (readonly [string, Schema])[] = [
    ['of valibot', v.object({ KEY: v.picklist(['a', 'b']) })],
    [
      'of zod, made of the value',
      z.object({ KEY: z.string().refine(() => false, { error: ({ input }) => `${String(input)} is bad` }) }),
    ],
    ['quoted', z.object({ KEY: z.string().refine(() => false, `expected a key, received '${value}'`) })],
    ['that throws', z.object({ KEY: z.string().transform((text) => JSON.parse(`{${text}`) as unknown) })],
  ]
  for (const [name, env] of leaky) {
    test(`are never shown by a message ${name}`, async () => {
      const message = await messageOf(env, { KEY: value })
      assert.doesNotMatch(message, /hunter2/)
      assert.match(message, name === 'that throws' ? /the schema of `env` threw/ : /KEY/)
    })
  }

  test('that are short are not shown either', async () => {
    const env = z.object({
      KEY: z
        .string()
        .refine(() => false, { error: ({ input }) => `"${String(input)}" or ${String(input)}: bad` }),
    })
    assert.doesNotMatch(await messageOf(env, { KEY: 'q7' }), /q7/)
  })
})
