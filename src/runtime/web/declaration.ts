import { http } from '../../triggers/http/declare.ts'
import type { HttpTrigger } from '../../triggers/http/declare.ts'
import type { Declared } from '../../triggers/trigger.ts'
import { type Declaration, type Declares, readDeclaration } from '../declaration.ts'

/** What makes no sense for who answers while somebody waits. */
const REFUSED: Readonly<Record<string, string>> = {
  retry: 'nothing is tried again',
  concurrency: 'requests do not wait in a queue, use `maxInstances` and `instanceConcurrency`',
  idempotencyKey: 'each request is answered by itself',
  orderingKey: 'requests have no order',
}

/** Like {@link readDeclaration}, of a file that answers requests itself. Without `on`, it is at `/fn/<id>` and below. */
export function readWebDeclaration(described: Declaration, id: string): Declares | readonly string[] {
  const { options, on } = described
  const refused = Object.entries(REFUSED).flatMap(([name, why]) =>
    isRecord(options) && options[name] !== undefined
      ? [`\`${name}\` is no option of a web handler: ${why}`]
      : [],
  )
  if (refused.length > 0) return refused
  const declares = readDeclaration({ ...described, on: on ?? routesOf(id) })
  if (!('triggers' in declares)) return declares
  const problems = declares.triggers.flatMap((trigger) => checkRoute(trigger as Declared<HttpTrigger>))
  if (problems.length > 0) return problems
  return {
    ...declares,
    retry: { ...declares.retry, attempts: 1 },
    triggers: declares.triggers.map((trigger) => ({ ...trigger, web: true })),
    web: true,
  }
}

function routesOf(id: string): unknown {
  return [http.any(`/fn/${id}`), http.any(`/fn/${id}/*`)]
}

function checkRoute({ kind, label, schemas, wait }: Declared<HttpTrigger>): string[] {
  if (kind !== 'http') return [`a web handler answers HTTP requests only, got the trigger ${label}`]
  const option = wait !== null ? 'wait' : schemas[0]
  if (option === undefined) return []
  return [`${label}: a web handler reads its request itself, \`${option}\` does nothing there`]
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null
}
