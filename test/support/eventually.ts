/** Waits until `condition` answers something truthy, and returns it. Fails with `what` after `timeoutMs`. */
export async function eventually<T>(
  condition: () => T | Promise<T>,
  what: string,
  timeoutMs = 10_000,
): Promise<NonNullable<T>> {
  const until = performance.now() + timeoutMs
  let last: unknown
  for (;;) {
    try {
      const value = await condition()
      if (value) return value
      last = value
    } catch (error) {
      last = error
    }
    if (performance.now() > until)
      throw new Error(`waited ${timeoutMs} ms for ${what}; last: ${describe(last)}`)
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
}

function describe(value: unknown): string {
  if (value instanceof Error) return value.stack ?? value.message
  return JSON.stringify(value) ?? String(value)
}
