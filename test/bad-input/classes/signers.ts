import { createRequire } from 'node:module'
import { Webhooks } from '@octokit/webhooks'
import { createSHA256HMAC, HashFormat } from '@shopify/shopify-api/runtime'
import { Webhook as StandardWebhook } from 'standardwebhooks'
import { Stripe } from 'stripe'
import { Webhook as SvixWebhook } from 'svix'
import { createHmac } from 'node:crypto'

/** How each sender proves itself, by its own library, and how its library checks what somebody else has signed. */
export interface Signer {
  readonly name: string
  readonly path: string
  readonly secret: string
  readonly oldSecret: string
  /** The header with the digest. */
  readonly header: string
  readonly timed: boolean
  readonly sign: (body: string, how: Signing) => Promise<Readonly<Record<string, string>>>
  /** Whether the sender's own verifier takes these headers; null where it has none. */
  readonly verify:
    | ((body: string, headers: Readonly<Record<string, string>>, secret: string) => Promise<boolean>)
    | null
}

export interface Signing {
  readonly secret: string
  readonly id: string
  readonly atS: number
}

const { isValidSlackRequest } = createRequire(import.meta.url)(
  '@slack/bolt/dist/receivers/verify-request.js',
) as {
  isValidSlackRequest: (request: { signingSecret: string; body: string; headers: object }) => boolean
}

const STANDARD = 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw'
const STANDARD_OLD = `whsec_${Buffer.alloc(24, 7).toString('base64')}`
const SHARED = 'a-secret-of-some-length'
const SHARED_OLD = 'an-older-secret-of-some-length'

/** What the server is given: each secret beside the one that it replaces. */
export const SECRETS: Readonly<Record<string, string>> = {
  STANDARD: `${STANDARD} ${STANDARD_OLD}`,
  SHARED: `${SHARED} ${SHARED_OLD}`,
}

const holds = (check: () => unknown): boolean => {
  try {
    check()
    return true
  } catch {
    return false
  }
}
const hmac = (secret: string, text: string, encoding: 'hex' | 'base64'): string =>
  createHmac('sha256', secret).update(text).digest(encoding)
const stripe = new Stripe('sk_test_none')
const standard = { secret: STANDARD, oldSecret: STANDARD_OLD, timed: true }
const shared = { secret: SHARED, oldSecret: SHARED_OLD }

export const SIGNERS: readonly Signer[] = [
  {
    ...{ name: 'standardwebhooks', path: '/signed/standard', header: 'webhook-signature', ...standard },
    sign: async (body, { secret, id, atS }) => ({
      'webhook-id': id,
      'webhook-timestamp': String(atS),
      'webhook-signature': new StandardWebhook(secret).sign(id, new Date(atS * 1_000), body),
    }),
    verify: async (body, headers, secret) => holds(() => new StandardWebhook(secret).verify(body, headers)),
  },
  {
    ...{ name: 'svix', path: '/signed/standard', header: 'svix-signature', ...standard },
    sign: async (body, { secret, id, atS }) => ({
      'svix-id': id,
      'svix-timestamp': String(atS),
      'svix-signature': new SvixWebhook(secret).sign(id, new Date(atS * 1_000), body),
    }),
    verify: async (body, headers, secret) =>
      holds(() => new SvixWebhook(secret).verify(body, { ...headers })),
  },
  {
    ...{ name: 'github', path: '/signed/github', header: 'x-hub-signature-256', timed: false, ...shared },
    sign: async (body, { secret, id }) => ({
      'x-github-delivery': id,
      'x-github-event': 'push',
      'x-hub-signature-256': await new Webhooks({ secret }).sign(body),
    }),
    verify: async (body, headers, secret) =>
      new Webhooks({ secret }).verify(body, headers['x-hub-signature-256'] ?? '').catch(() => false),
  },
  {
    ...{ name: 'stripe', path: '/signed/stripe', header: 'stripe-signature', timed: true, ...shared },
    sign: async (body, { secret, atS }) => ({
      'stripe-signature': stripe.webhooks.generateTestHeaderString({ payload: body, secret, timestamp: atS }),
    }),
    verify: async (body, headers, secret) =>
      holds(() => stripe.webhooks.constructEvent(body, headers['stripe-signature'] ?? '', secret)),
  },
  {
    // Bolt only verifies: the digest is ours, after Slack's description of it.
    ...{ name: 'slack', path: '/signed/slack', header: 'x-slack-signature', timed: true, ...shared },
    sign: async (body, { secret, atS }) => ({
      'x-slack-request-timestamp': String(atS),
      'x-slack-signature': `v0=${hmac(secret, `v0:${atS}:${body}`, 'hex')}`,
    }),
    verify: async (body, headers, secret) => isValidSlackRequest({ signingSecret: secret, body, headers }),
  },
  {
    ...{ name: 'shopify', path: '/signed/shopify', header: 'x-shopify-hmac-sha256', timed: false, ...shared },
    sign: async (body, { secret, id }) => ({
      'x-shopify-webhook-id': id,
      'x-shopify-hmac-sha256': await createSHA256HMAC(secret, body, HashFormat.Base64),
    }),
    verify: null,
  },
  {
    ...{ name: 'hmac', path: '/signed/hmac', header: 'x-sig', timed: false, ...shared },
    sign: async (body, { secret }) => ({ 'x-sig': hmac(secret, body, 'hex') }),
    verify: null,
  },
]

/** What a receiver may make of the same body, by the description of the scheme and with Node alone. */
export function ourSignature(
  { name }: Signer,
  body: string,
  { secret, id, atS }: Signing,
): Record<string, string> {
  const key = Buffer.from(secret.replace('whsec_', ''), 'base64')
  const standardDigest = `v1,${createHmac('sha256', key).update(`${id}.${atS}.${body}`).digest('base64')}`
  const prefix = name === 'svix' ? 'svix' : 'webhook'
  if (name === 'svix' || name === 'standardwebhooks')
    return {
      [`${prefix}-id`]: id,
      [`${prefix}-timestamp`]: String(atS),
      [`${prefix}-signature`]: standardDigest,
    }
  if (name === 'github') return { 'x-hub-signature-256': `sha256=${hmac(secret, body, 'hex')}` }
  if (name === 'stripe') return { 'stripe-signature': `t=${atS},v1=${hmac(secret, `${atS}.${body}`, 'hex')}` }
  return {
    'x-slack-request-timestamp': String(atS),
    'x-slack-signature': `v0=${hmac(secret, `v0:${atS}:${body}`, 'hex')}`,
  }
}
