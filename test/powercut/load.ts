import { createHash } from 'node:crypto'
import pg from 'pg'
import { Upload } from 'tus-js-client'
import type { Dice } from '../chaos/dice.ts'
import type { Told } from '../chaos/told.ts'
import { KEY } from './site.ts'

export const KINDS = ['http', 'row', 'sql', 'put', 'form', 'tus'] as const
export type Kind = (typeof KINDS)[number]

export interface Load {
  /** Files that were acknowledged, by key, with the sha256 of what was sent. */
  readonly files: Map<string, string>
  /** Resolves when every caller has stopped, whether answered or not. */
  stop(): Promise<void>
}

export interface LoadOptions {
  readonly url: string
  readonly databaseUrl: string
  readonly told: Told<Kind>
  readonly dice: Dice
}

/** Offers events of all kinds, as fast as each is answered, until it is stopped. */
export function startLoad({ url, databaseUrl, told, dice }: LoadOptions): Load {
  const stopping = new AbortController()
  const files = new Map<string, string>()
  const upload = (kind: Kind, send: Send) => async (n: number) => {
    const content = Buffer.alloc(dice.between(1, 40_000), String.fromCharCode(97 + (n % 26)))
    await send(`${kind}/${n}`, content, stopping.signal)
    files.set(`${kind}/${n}`, createHash('sha256').update(content).digest('hex'))
  }
  const client = createClient(databaseUrl)
  const callers: readonly (readonly [Kind, (n: number) => Promise<void>])[] = [
    ['http', (n) => post(`${url}/http`, JSON.stringify({ n }), n, stopping.signal)],
    ['http', (n) => post(`${url}/http`, JSON.stringify({ n }), n, stopping.signal)],
    ['row', (n) => client.query('insert into things values ($1)', [n])],
    ['sql', (n) => client.query(`select tappet.send('sql', json_build_object('n', $1::int))`, [n])],
    ['put', upload('put', put(url))],
    ['put', upload('put', put(url))],
    ['form', upload('form', form(url))],
    ['form', upload('form', form(url))],
    ['tus', upload('tus', tus(url))],
    ['tus', upload('tus', tus(url))],
  ]
  const done = callers.map(async ([kind, offer]) => {
    while (!stopping.signal.aborted) {
      const n = told.offer(kind)
      try {
        await offer(n)
        told.acknowledge(kind, n)
      } catch (error) {
        told.refuse(`${kind}: ${(error as Error).message}`)
        await new Promise((resolve) => setTimeout(resolve, 10))
      }
    }
  })
  return {
    files,
    async stop() {
      stopping.abort()
      client.end()
      await Promise.all(done)
    },
  }
}

function createClient(connectionString: string) {
  const pool = new pg.Pool({ connectionString, max: 2, connectionTimeoutMillis: 2_000, query_timeout: 5_000 })
  pool.on('error', () => undefined).on('connect', (one) => void one.on('error', () => undefined))
  return {
    query: async (text: string, values: unknown[]): Promise<void> => void (await pool.query(text, values)),
    end: () => void pool.end().catch(() => undefined),
  }
}

const authorization = `Bearer ${KEY}`

async function post(url: string, body: string, n: number, signal: AbortSignal): Promise<void> {
  const headers = { 'content-type': 'application/json', 'idempotency-key': `http-${n}` }
  await answered(fetch(url, { method: 'POST', headers, body, signal }), 202)
}

type Send = (key: string, content: Buffer, signal: AbortSignal) => Promise<void>

const put =
  (url: string): Send =>
  (key, content, signal) =>
    answered(
      fetch(`${url}/_tappet/uploads/${key}`, {
        ...{ method: 'PUT', headers: { authorization }, body: new Uint8Array(content), signal },
      }),
      201,
    )

const form =
  (url: string): Send =>
  (key, content, signal) => {
    const body = new FormData()
    body.append('key', key)
    body.append('file', new Blob([new Uint8Array(content)]), 'file.bin')
    return answered(
      fetch(`${url}/_tappet/uploads`, { method: 'POST', headers: { authorization }, body, signal }),
      201,
    )
  }

/** In pieces of 8 KB, by the official client. */
const tus =
  (url: string): Send =>
  (key, content, signal) =>
    new Promise((resolve, reject) => {
      const upload = new Upload(content, {
        endpoint: `${url}/_tappet/tus`,
        headers: { authorization },
        metadata: { key, filename: 'file.bin' },
        chunkSize: 8_192,
        retryDelays: null,
        onSuccess: () => resolve(),
        onError: reject,
      })
      signal.addEventListener('abort', () => {
        void upload.abort().catch(() => undefined)
        reject(new Error('stopped'))
      })
      upload.start()
    })

async function answered(response: Promise<Response>, wanted: number): Promise<void> {
  const { status, body } = await response
  await body?.cancel()
  if (status !== wanted) throw new Error(`answered ${status}`)
}
