import * as z from 'zod'

/** An object without further keys. Messages of issues say what was expected: here, the keys that there are. */
export function object<Shape extends z.core.$ZodLooseShape>(shape: Shape, what = 'an object') {
  return z.strictObject(shape, {
    error: (issue) => (issue.code === 'unrecognized_keys' ? Object.keys(shape).join(', ') : what),
  })
}

export function at(value: unknown, path: readonly PropertyKey[]): unknown {
  return path.reduce<unknown>(
    (inner, key) =>
      typeof inner === 'object' && inner !== null ? (inner as Record<PropertyKey, unknown>)[key] : undefined,
    value,
  )
}

/** A value as people wrote it, short. */
export function show(value: unknown): string {
  if (value === undefined) return 'nothing'
  if (typeof value === 'string') return `'${value.slice(0, 80)}'`
  const json = JSON.stringify(value)
  if (json.length <= 80) return json
  return Array.isArray(value) ? 'a list' : 'an object'
}
