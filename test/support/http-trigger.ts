import { http } from '../../src/triggers/http/declare.ts'
import type { HttpTrigger } from '../../src/triggers/http/declare.ts'
import type { Declared, Subscription } from '../../src/triggers/trigger.ts'

type Method = keyof typeof http

/** A trigger as the broker sees it: through JSON. Later fields replace what the declaration would have made. */
export function declared(
  method: Method,
  path: string,
  options: Parameters<typeof http.post>[1] = {},
  replaced: object = {},
): Declared<HttpTrigger> {
  const trigger = http[method](path, options)
  return JSON.parse(JSON.stringify({ ...trigger, schemas: Object.keys(trigger.schemas), ...replaced }))
}

export function subscribed(functionId: string, trigger: Declared<HttpTrigger>): Subscription<HttpTrigger> {
  return { functionId, index: 0, trigger }
}
