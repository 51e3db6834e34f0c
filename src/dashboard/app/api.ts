import { signal } from '@preact/signals'

/** The key that the person has signed in with; null before. Kept for this tab only. */
export const key = signal<string | null>(sessionStorage.getItem('tappet.key'))

export function signIn(value: string): void {
  sessionStorage.setItem('tappet.key', value)
  key.value = value
}

export function signOut(): void {
  sessionStorage.removeItem('tappet.key')
  key.value = null
}

/** What the API refused, in its own words. */
export class Refusal extends Error {
  readonly status: number
  readonly code: string
  readonly hint: string
  constructor(status: number, code: string, message: string, hint: string) {
    super(message)
    this.status = status
    this.code = code
    this.hint = hint
  }
}

type Query = Readonly<Record<string, string | number | undefined>>

/** Relative to the page, so that it works below any path that a proxy puts before ours. */
function address(path: string, query: Query): string {
  const set = Object.entries(query).filter(([, value]) => value !== undefined && value !== '')
  const text = new URLSearchParams(set.map(([name, value]) => [name, String(value)])).toString()
  return `api/v1${path}${text === '' ? '' : `?${text}`}`
}

export function get<Answer>(path: string, query: Query = {}): Promise<Answer> {
  return ask('GET', address(path, query))
}

export function post<Answer>(path: string, body: unknown = {}): Promise<Answer> {
  return ask('POST', address(path, {}), JSON.stringify(body))
}

/** Beside the admin API: messages, and files. */
export async function send(
  method: 'POST' | 'PUT',
  path: string,
  body: BodyInit,
  type: string,
): Promise<unknown> {
  return ask(method, path, body, type)
}

async function ask<Answer>(
  method: string,
  path: string,
  body?: BodyInit,
  type = 'application/json',
): Promise<Answer> {
  const headers = body === undefined ? {} : { 'content-type': type }
  const response = await request(path, { method, headers, ...(body !== undefined && { body }) })
  return (await response.json().catch(() => ({}))) as Answer
}

interface RequestOptions extends Omit<RequestInit, 'headers'> {
  readonly headers?: Readonly<Record<string, string>>
}

/**
 * Anything under `/_tappet/`, with the key of the tab.
 *
 * @throws Refusal for an answer that is no success, TypeError when there is none.
 */
export async function request(path: string, options: RequestOptions = {}): Promise<Response> {
  const headers = { authorization: `Bearer ${key.value ?? ''}`, ...options.headers }
  const response = await fetch(path, { ...options, headers })
  if (response.ok) return response
  const answer = (await response.json().catch(() => ({}))) as { readonly error?: Partial<Refusal> }
  if (response.status === 401) signOut()
  const { code = 'TPT_INTERNAL', message = response.statusText, hint = '' } = answer.error ?? {}
  throw new Refusal(response.status, code, message, hint)
}
