import { isIPv6 } from 'node:net'

/** How many wrong keys an address may show at once, and how often one more. */
const BURST = 20
export const ANOTHER_EVERY_MS = 3_000
/** Addresses that are remembered; beyond, the one that was seen longest ago is forgotten. */
const MAX_ADDRESSES = 10_000

export interface WrongKeys {
  /** Counts one; false when the address has shown too many. */
  take(address: string): boolean
  /** It was not wrong after all. */
  giveBack(address: string): void
}

interface Bucket {
  readonly left: number
  readonly atMs: number
}

/** Counts wrong keys by address, an IPv6 address by its /64, of which one machine has all. */
export function createWrongKeys(nowMs: () => number = () => performance.now()): WrongKeys {
  const buckets = new Map<string, Bucket>()
  const leftOf = (network: string): number => {
    const { left, atMs } = buckets.get(network) ?? { left: BURST, atMs: 0 }
    return Math.min(BURST, left + (nowMs() - atMs) / ANOTHER_EVERY_MS)
  }
  const put = (network: string, left: number): void => {
    buckets.delete(network)
    if (left >= BURST) return
    buckets.set(network, { left, atMs: nowMs() })
    if (buckets.size > MAX_ADDRESSES)
      for (const oldest of [...buckets.keys()].slice(0, 1)) buckets.delete(oldest)
  }
  return {
    take(address) {
      const network = networkOf(address)
      const left = leftOf(network)
      put(network, left < 1 ? left : left - 1)
      return left >= 1
    },
    giveBack(address) {
      const network = networkOf(address)
      put(network, leftOf(network) + 1)
    },
  }
}

function networkOf(address: string): string {
  if (!isIPv6(address)) return address
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address)?.[1]
  if (mapped !== undefined) return mapped
  const [head = '', tail = ''] = address.toLowerCase().replace(/%.*$/, '').split('::')
  const [first, last] = [head, tail].map((part) => part.split(':').filter(Boolean))
  const zeros = Array<string>(Math.max(0, 8 - (first?.length ?? 0) - (last?.length ?? 0))).fill('0')
  return [...(first ?? []), ...zeros, ...(last ?? [])].slice(0, 4).join(':')
}
