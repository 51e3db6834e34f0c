import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as z from 'zod'
import type { Schema } from '../../src/lib/schema.ts'
import { sampleOf } from '../../src/runtime/runner/sample.ts'

const Tree = z.object({
  name: z.string(),
  get left() {
    return Tree.nullable()
  },
  get right() {
    return Tree.nullable()
  },
  get others() {
    return z.array(Tree)
  },
})

test('a schema takes the sample that is made for it', () => {
  const schemas: Record<string, z.ZodType> = {
    order: z.object({ id: z.uuid(), email: z.email(), total: z.number().positive().max(1_000_000) }),
    numbers: z.object({
      a: z.number().max(3),
      b: z.int().gt(99),
      c: z.number().lt(0),
      d: z.number().multipleOf(5),
    }),
    strings: z.object({
      short: z.string().max(2),
      long: z.string().min(40),
      url: z.url(),
      at: z.iso.datetime(),
    }),
    choices: z.object({
      state: z.enum(['paid', 'open']),
      kind: z.literal('k'),
      or: z.union([z.string(), z.int()]),
    }),
    kinds: z.discriminatedUnion('kind', [
      z.object({ kind: z.literal('a') }),
      z.object({ kind: z.literal('b') }),
    ]),
    lists: z.object({ any: z.array(z.string()), some: z.array(z.object({ x: z.boolean() })).min(2) }),
    tuple: z.tuple([z.string(), z.number()]),
    both: z.object({ a: z.string() }).and(z.object({ b: z.null() })),
    address: z.object({ to: z.object({ city: z.string(), zip: z.string().nullable() }) }),
    record: z.record(z.string(), z.number()),
    anything: z.unknown(),
    example: z
      .string()
      .startsWith('ord_')
      .meta({ examples: ['ord_1'] }),
    tree: Tree,
  }
  for (const [name, schema] of Object.entries(schemas)) {
    const sample = sampleOf(schema)
    assert.ok(sample !== undefined && schema.safeParse(sample).success, `${name}: ${JSON.stringify(sample)}`)
  }
})

test('a sample has what it must have, as people would write it', () => {
  const lines = z.array(z.object({ sku: z.string(), pieces: z.int().min(1).max(9) })).min(1)
  const schema = z.object({
    email: z.email(),
    lines,
    note: z.string().optional(),
    vip: z.boolean().default(false),
  })
  assert.deepEqual(sampleOf(schema), { email: 'a@b.co', lines: [{ sku: 'sample', pieces: 9 }] })
})

test('there is none where it could not be right', () => {
  const exporting = (jsonSchema: unknown, validate: () => unknown = () => ({ value: 1 })): Schema =>
    ({ '~standard': { version: 1, vendor: 'v', validate, jsonSchema } }) as unknown as Schema
  const fail = () => {
    throw new Error('not this one')
  }
  const schemas: Record<string, Schema> = {
    'a pattern': z.string().regex(/^a+$/),
    'more than JSON Schema can say': z.string().refine((text) => text === 'open sesame'),
    'what JSON has no word for': z.object({ at: z.date() }),
    'a check that takes its time': z.string().refine(async () => true),
    'no end': exporting({ input: () => ({ $ref: '#' }) }),
    'a great many': exporting({ input: () => ({ type: 'array', minItems: 1e9, items: { type: 'null' } }) }),
    'a library that fails': exporting({ input: fail }),
    'a check that fails': exporting({ input: () => ({ type: 'string' }) }, fail),
    'a check that fails later': exporting({ input: () => ({}) }, async () => fail()),
    'no JSON Schema': exporting(undefined),
  }
  for (const [name, schema] of Object.entries(schemas)) assert.equal(sampleOf(schema), undefined, name)
})
