/**
 * List prices of clouds, for `what would this have cost`. Data only: when you change a price, change `readOn` and the source.
 * Amounts that plans include, monthly fees and discounts are left out.
 */
export interface Price extends Rates {
  readonly cloud: string
  /** Which of its prices. */
  readonly of: string
  readonly source: string
  /** What makes the answer too high or too low. */
  readonly note: string | null
}

/** US dollars, each. */
export interface Rates {
  readonly perMillionCalls: number
  readonly perGbSecond: number
  readonly perCpuHour: number
}

/**
 * When these were read: not on the clouds' own live pages, but in stored copies of them and in what others had written down
 * of them, the oldest of 2025, the newest of 2026-10-10.
 */
export const READ_ON = '2026-11-27'

const HOUR_S = 3_600

/** Netlify sells credits, 1,500 for 10 dollars beyond what the plan Pro includes. */
const NETLIFY_CREDIT = 10 / 1_500

export const PRICES: readonly Price[] = [
  {
    cloud: 'AWS Lambda',
    of: 'x86, us-east-1, on demand, first tier',
    source: 'https://aws.amazon.com/lambda/pricing/',
    perMillionCalls: 0.2,
    perGbSecond: 0.0000166667,
    perCpuHour: 0,
    note: null,
  },
  {
    cloud: 'Cloudflare Workers',
    of: 'Workers Paid, beyond what it includes',
    source: 'https://developers.cloudflare.com/workers/platform/pricing/',
    perMillionCalls: 0.3,
    perGbSecond: 0,
    perCpuHour: (0.02 * HOUR_S * 1_000) / 1_000_000,
    note: 'CPU time only; at most 128 MB',
  },
  {
    cloud: 'Vercel Functions',
    of: 'Fluid compute, iad1, beyond what Pro includes',
    source: 'https://vercel.com/docs/functions/usage-and-pricing',
    perMillionCalls: 0.6,
    perGbSecond: 0.0106 / HOUR_S,
    perCpuHour: 0.128,
    note: 'too high where calls overlap: they share the memory there',
  },
  {
    cloud: 'Netlify Functions',
    of: 'credits of the plan Pro, beyond what it includes',
    source: 'https://docs.netlify.com/functions/usage-and-billing',
    perMillionCalls: (2 * NETLIFY_CREDIT * 1_000_000) / 10_000,
    perGbSecond: (10 * NETLIFY_CREDIT) / HOUR_S,
    perCpuHour: 0,
    note: 'its functions have 1 GB at least',
  },
  {
    cloud: 'Supabase Edge Functions',
    of: 'Pro, beyond what it includes',
    source: 'https://supabase.com/docs/guides/platform/manage-your-usage/edge-function-invocations',
    perMillionCalls: 2,
    perGbSecond: 0,
    perCpuHour: 0,
    note: 'sold by the whole million; at most 256 MB and 2 s of CPU time a call',
  },
]

export interface Taken {
  readonly attempts: number
  readonly gbSeconds: number
  readonly cpuMs: number
}

/** What that would have cost, in US dollars. */
export function costOf({ attempts, gbSeconds, cpuMs }: Taken, rates: Rates): number {
  const calls = (attempts / 1_000_000) * rates.perMillionCalls
  return calls + gbSeconds * rates.perGbSecond + (cpuMs / 3_600_000) * rates.perCpuHour
}
