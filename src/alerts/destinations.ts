import { createHmac } from 'node:crypto'
import { TappetError } from '../errors.ts'
import { callOut } from '../lib/outgoing.ts'
import { VERSION } from '../lib/version.ts'
import type { DueNotice } from './ledger.ts'
import { createMailDestination } from './mail.ts'
import type { AlertSettings } from './settings.ts'
import { textOf } from './text.ts'

/** Where alerts go. `send` rejects when the other side has not taken it. */
export interface Destination {
  readonly name: string
  send(due: DueNotice): Promise<void>
}

export function createDestinations(settings: AlertSettings): readonly Destination[] {
  const { webhook, slack, mail } = settings
  return [
    ...(webhook ? [createWebhook(webhook, settings.allowHosts)] : []),
    ...(slack ? [createSlack(slack, settings.allowHosts)] : []),
    ...(mail ? [createMailDestination(mail)] : []),
  ]
}

/** The notice as JSON; signed as Standard Webhooks has it when there is a secret. */
function createWebhook(
  { url, secret }: NonNullable<AlertSettings['webhook']>,
  allowHosts: readonly string[],
): Destination {
  return {
    name: 'webhook',
    send({ id, notice, nowS }) {
      const body = JSON.stringify(notice)
      const timestamp = String(Math.floor(nowS))
      const signature = secret === null ? null : sign(secret, `${id}.${timestamp}.${body}`)
      return post(url, body, allowHosts, {
        ...{ 'webhook-id': id, 'webhook-timestamp': timestamp },
        ...(signature !== null && { 'webhook-signature': signature }),
      })
    },
  }
}

function createSlack(url: string, allowHosts: readonly string[]): Destination {
  return {
    name: 'slack',
    send: ({ notice }) => post(url, JSON.stringify({ text: forSlack(textOf(notice)) }), allowHosts),
  }
}

/** Slack reads these three as its own marks. */
function forSlack(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;')
}

function sign(secret: string, content: string): string {
  const key = Buffer.from(secret.replace(/^whsec_/, ''), 'base64')
  return `v1,${createHmac('sha256', key).update(content).digest('base64')}`
}

const TIMEOUT_MS = 10_000
const MAX_ANSWER_BYTES = 65_536

/** Nothing is redirected: a destination that moves is the operator's to correct. */
async function post(
  url: string,
  body: string,
  allowHosts: readonly string[],
  headers: Readonly<Record<string, string>> = {},
): Promise<void> {
  const { status } = await callOut(url, {
    ...{
      method: 'POST',
      body,
      allowHosts,
      timeoutMs: TIMEOUT_MS,
      maxBytes: MAX_ANSWER_BYTES,
      maxRedirects: 0,
    },
    headers: {
      'content-type': 'application/json',
      'content-length': String(Buffer.byteLength(body)),
      'user-agent': `tappet/${VERSION}`,
      ...headers,
    },
  })
  if (status < 200 || status > 299)
    throw new TappetError('TPT_OUTGOING_FAILED', `${new URL(url).host} answered with ${status}`)
}
