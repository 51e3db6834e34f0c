import type { LoadedFunction } from '../../runtime/runtime.ts'
import type { HttpTrigger } from '../../triggers/http/declare.ts'
import type { PostgresTrigger } from '../../triggers/postgres/declare.ts'
import type { QueueTrigger } from '../../triggers/queue/declare.ts'
import type { Declared, Trigger } from '../../triggers/trigger.ts'
import type { UploadTrigger } from '../../triggers/upload/declare.ts'
import { shellQuote } from '../text.ts'
import { sampleInsert } from './sample-row.ts'

export interface TryItOptions {
  readonly url: string
  readonly databaseUrl: string
  /** How a shell says the admin key. */
  readonly key: string
}

/** One pixel, transparent. */
const PNG = 'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=='

/** Lines for another terminal in the project's folder, one for each kind of trigger. Those that could fail are left out. */
export async function tryItLines(
  functions: readonly LoadedFunction[],
  options: TryItOptions,
): Promise<readonly string[]> {
  const triggers = functions.flatMap((fn) => fn.triggers)
  const lines = [
    first(ofKind<HttpTrigger>(triggers, 'http'), (trigger) => curlLine(trigger, options)),
    await insertLine(ofKind<PostgresTrigger>(triggers, 'postgres'), options),
    first(ofKind<UploadTrigger>(triggers, 'upload'), (trigger) => uploadLine(trigger, options)),
    first(ofKind<QueueTrigger>(triggers, 'queue'), sendLine),
  ]
  return lines.filter((line) => line !== null)
}

function ofKind<T extends Trigger>(triggers: readonly Declared[], kind: T['kind']): readonly Declared<T>[] {
  return triggers.filter((trigger) => trigger.kind === kind) as unknown as readonly Declared<T>[]
}

function first<T>(triggers: readonly T[], lineOf: (trigger: T) => string | null): string | null {
  for (const trigger of triggers) {
    const line = lineOf(trigger)
    if (line !== null) return line
  }
  return null
}

function curlLine(
  { method, path, verify, schemas, samples }: Declared<HttpTrigger>,
  { url }: TryItOptions,
): string | null {
  if (verify !== null || schemas.includes('request.query')) return null
  const target = shellQuote(url + path.replaceAll(/:\w+/g, '1').replaceAll('*', 'x'))
  if (method === 'GET' || method === 'ANY') return `curl ${target}`
  const body = sampleBody(schemas, samples)
  if (body === null) return null
  const verb = method === 'POST' ? '' : `-X ${method} `
  return `curl ${verb}-d ${shellQuote(body)} -H content-type:application/json ${target}`
}

async function insertLine(
  triggers: readonly Declared<PostgresTrigger>[],
  { databaseUrl }: TryItOptions,
): Promise<string | null> {
  const tables = triggers
    .filter(
      ({ operations, database, when }) => operations.includes('insert') && database === null && when === null,
    )
    .map(({ table }) => table)
  for (const table of new Set(tables)) {
    const insert = await sampleInsert(databaseUrl, table).catch(() => null)
    if (insert !== null) return `npx tappet db query "${insert}"`
  }
  return null
}

function uploadLine({ pattern, accept }: Declared<UploadTrigger>, { url, key }: TryItOptions): string | null {
  const sample = [
    { types: ['', 'text/*', 'text/plain'], name: 'hello.txt', print: 'echo hello' },
    { types: ['image/*', 'image/png'], name: 'dot.png', print: `echo ${PNG} | base64 --decode` },
    { types: ['application/*', 'application/json'], name: 'hello.json', print: `echo '{"hello":1}'` },
  ].find(({ types }) =>
    accept.length === 0 ? types.includes('') : accept.some((type) => types.includes(type)),
  )
  const open = pattern.endsWith('**') || pattern.endsWith('*')
  if (!sample || !open) return null
  const uploaded = pattern
    .replaceAll(/:\w+/g, '1')
    .replace(/\*\*?$/, sample.name)
    .replaceAll('*', 'x')
  return `${sample.print} | curl -T - -H "authorization: Bearer ${key}" ${shellQuote(`${url}/_tappet/uploads/${uploaded}`)}`
}

function sendLine({ queue, schemas, samples }: Declared<QueueTrigger>): string | null {
  const body = sampleBody(schemas, samples)
  return body === null ? null : `npx tappet send ${shellQuote(queue)} -d ${shellQuote(body)}`
}

/** Null when there is no knowing what the schema wants. */
function sampleBody(schemas: Declared['schemas'], samples: Declared['samples']): string | null {
  const sample = schemas.includes('data') ? samples?.data : {}
  return sample === undefined ? null : JSON.stringify(sample)
}
