/**
 * How a caller proves who it is. `secrets` are names of environment variables, never the secrets themselves; any of
 * them that is set is accepted, so that a secret can be rotated.
 */
export interface Verification {
  readonly scheme: 'standard' | 'github' | 'stripe' | 'slack' | 'shopify' | 'hmac' | 'key'
  readonly secrets: readonly string[]
  /** For `hmac` and `key`: the header that carries it, in lower case. */
  readonly header: string | null
  readonly algorithm: 'sha256' | 'sha512' | null
  readonly encoding: 'hex' | 'base64' | null
  /** For `hmac`: what stands before the digest, such as `sha256=`. */
  readonly prefix: string
}

type Secret = string | readonly string[]

const scheme =
  (name: Verification['scheme']) =>
  (secret: Secret): Verification => ({
    scheme: name,
    secrets: typeof secret === 'string' ? [secret] : secret,
    header: null,
    algorithm: null,
    encoding: null,
    prefix: '',
  })

export interface HmacOptions {
  readonly header: string
  /** Default sha256. */
  readonly algorithm?: 'sha256' | 'sha512'
  /** Default hex. */
  readonly encoding?: 'hex' | 'base64'
  /** What stands before the digest. Default nothing. */
  readonly prefix?: string
}

/**
 * Ways to verify a request. Each takes the name of the environment variable that holds the secret, or several:
 * `verify: signature.github('GITHUB_WEBHOOK_SECRET')`.
 */
export const signature = {
  /**
   * Standard Webhooks and Svix: `webhook-id`, `webhook-timestamp`, `webhook-signature`. The secret is the shared one,
   * `whsec_…`, or the sender's public key, `whpk_…`, for signatures of the kind `v1a`.
   */
  standard: scheme('standard'),
  github: scheme('github'),
  stripe: scheme('stripe'),
  slack: scheme('slack'),
  shopify: scheme('shopify'),
  /** A plain HMAC of the body in a header of the sender's choice. */
  hmac: (secret: Secret, options: HmacOptions): Verification => ({
    ...scheme('hmac')(secret),
    header: options.header.toLowerCase(),
    algorithm: options.algorithm ?? 'sha256',
    encoding: options.encoding ?? 'hex',
    prefix: options.prefix ?? '',
  }),
  /** A shared key, as `Authorization: Bearer <key>` or in `header`. */
  apiKey: (secret: Secret, options: { readonly header?: string } = {}): Verification => ({
    ...scheme('key')(secret),
    header: options.header?.toLowerCase() ?? null,
  }),
}
