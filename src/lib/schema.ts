import type { StandardSchemaV1 } from '@standard-schema/spec'

/** Any schema of a Standard Schema library: zod 4, valibot, arktype and others. */
export type Schema<Out = unknown, In = unknown> = StandardSchemaV1<In, Out>

/** What the handler receives: the value after the schema's defaults, coercions and transforms. */
export type Output<S extends Schema> = StandardSchemaV1.InferOutput<S>

/** What travels: the JSON that the sender writes, before the schema has touched it. */
export type Input<S extends Schema> = StandardSchemaV1.InferInput<S>

/** One complaint about a value. `path` is a JSON pointer into the event, for example `/data/email`. */
export interface Issue {
  readonly path: string
  readonly message: string
}
