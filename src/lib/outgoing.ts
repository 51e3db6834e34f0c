import { lookup } from 'node:dns/promises'
import { request as requestHttp, type IncomingMessage } from 'node:http'
import { request as requestHttps } from 'node:https'
import { BlockList, isIP, type LookupFunction } from 'node:net'
import { TappetError } from '../errors.ts'

export interface OutgoingOptions {
  /** Default GET. */
  readonly method?: string
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string | Buffer
  /** For all of it, redirects included. Default 10 s. */
  readonly timeoutMs?: number
  /** Of the answer's body. Default 1 MiB. */
  readonly maxBytes?: number
  /** Default 3. A redirect is checked as if it had been asked for. */
  readonly maxRedirects?: number
  /** Hosts, as they stand in URLs, that may be on a private network. */
  readonly allowHosts?: readonly string[]
  /** Finds the addresses of a name. Default as the system does. */
  readonly lookup?: (name: string) => Promise<readonly Address[]>
}

export interface OutgoingAnswer {
  readonly status: number
  readonly headers: IncomingMessage['headers']
  readonly body: Buffer
}

export interface Address {
  readonly address: string
  readonly family: 4 | 6
}

/** All that is not somewhere on the public internet, by the registries of special-purpose addresses (RFC 6890). */
const PRIVATE_4: readonly (readonly [string, number])[] = [
  ['0.0.0.0', 8],
  ['10.0.0.0', 8],
  ['100.64.0.0', 10],
  ['127.0.0.0', 8],
  ['169.254.0.0', 16],
  ['172.16.0.0', 12],
  ['192.0.0.0', 24],
  ['192.0.2.0', 24],
  ['192.88.99.0', 24],
  ['192.168.0.0', 16],
  ['198.18.0.0', 15],
  ['198.51.100.0', 24],
  ['203.0.113.0', 24],
  ['224.0.0.0', 3],
]
/** Of IPv6, only 2000::/3 is public, and of that not these; the last two carry an IPv4 address, which may be any. */
const PRIVATE_6: readonly (readonly [string, number])[] = [
  ['2001::', 23],
  ['2001:db8::', 32],
  ['3fff::', 20],
  ['2002::', 16],
]
const privates = new BlockList()
for (const [network, prefix] of PRIVATE_4) privates.addSubnet(network, prefix, 'ipv4')
for (const [network, prefix] of PRIVATE_6) privates.addSubnet(network, prefix, 'ipv6')
const unicast = new BlockList()
unicast.addSubnet('2000::', 3, 'ipv6')

/** Whether an address is on the public internet. IPv4 addresses inside IPv6 ones count as private. */
export function isPublicAddress(address: string): boolean {
  const family = isIP(address)
  if (family === 4) return !privates.check(address, 'ipv4')
  return family === 6 && unicast.check(address, 'ipv6') && !privates.check(address, 'ipv6')
}

/**
 * A request by the broker to a URL that somebody else chose. It goes to public addresses only, to those that were
 * checked and no others: a name that changes its address in between gains nothing.
 *
 * @throws TappetError TPT_OUTGOING_REFUSED for a URL that is not allowed or an answer that is too large or redirects too
 *   often; TPT_OUTGOING_FAILED when the other side does not answer in time, or not at all.
 */
export async function callOut(url: string | URL, options: OutgoingOptions = {}): Promise<OutgoingAnswer> {
  const { timeoutMs = 10_000, maxRedirects = 3 } = options
  const signal = AbortSignal.timeout(timeoutMs)
  let target = toTarget(url)
  let asked = options
  for (let left = maxRedirects; ; left--) {
    const answer = await ask(target, asked, signal)
    const { location } = answer.headers
    if (![301, 302, 303, 307, 308].includes(answer.status) || location === undefined) return answer
    if (left === 0) throw refused(`${target.host} redirects more than ${maxRedirects} times`)
    const next = toTarget(location, target)
    asked = redirected(asked, answer.status, next.origin === target.origin)
    target = next
  }
}

function toTarget(url: string | URL, base?: URL): URL {
  if (!URL.canParse(String(url), base?.href)) throw refused('the URL is not one')
  const target = new URL(url, base)
  if (target.protocol !== 'http:' && target.protocol !== 'https:')
    throw refused(`only http and https are allowed, got ${target.protocol}`)
  if (target.username !== '' || target.password !== '') throw refused('a URL must not hold a password')
  return target
}

/** Secrets stay with the origin that they were meant for. */
function redirected(options: OutgoingOptions, status: number, sameOrigin: boolean): OutgoingOptions {
  const { headers = {}, method = 'GET', body, ...rest } = options
  const kept = sameOrigin ? { headers } : {}
  const becomesGet = status === 303 || (status < 303 && method === 'POST')
  if (becomesGet) return { ...rest, ...kept, method: 'GET' }
  return { ...rest, ...kept, method, ...(body !== undefined && { body }) }
}

async function ask(target: URL, options: OutgoingOptions, signal: AbortSignal): Promise<OutgoingAnswer> {
  const addresses = await within(signal, target, resolve(target, options))
  const { method = 'GET', headers = {}, body } = options
  const send = target.protocol === 'https:' ? requestHttps : requestHttp
  // No agent: a connection that was kept may lead to an address that nobody checked for this URL.
  const request = send(target, { method, headers, signal, agent: false, lookup: only(addresses) })
  const response = await within(
    signal,
    target,
    new Promise<IncomingMessage>((done, fail) => {
      request.once('response', done)
      request.on('error', fail)
      request.end(body)
    }),
  )
  try {
    const read = readUpTo(response, options.maxBytes ?? 1_048_576, target)
    return {
      status: response.statusCode ?? 0,
      headers: response.headers,
      body: await within(signal, target, read),
    }
  } finally {
    request.destroy()
  }
}

/** `URL` has already written decimal, octal and shortened IPv4 addresses in the usual form. */
async function resolve({ hostname, host }: URL, options: OutgoingOptions): Promise<readonly Address[]> {
  const { allowHosts: allowed = [], lookup: find = systemLookup } = options
  const name = hostname.replace(/^\[|\]$/g, '')
  const addresses = await find(name)
  if (addresses.length === 0) throw new Error(`${name} has no address`)
  if (allowed.includes(hostname) || allowed.includes(host)) return addresses
  const inside = addresses.find(({ address }) => !isPublicAddress(address))
  if (inside) throw refused(`${hostname} is ${inside.address}, which is not on the public internet`)
  return addresses
}

async function systemLookup(name: string): Promise<readonly Address[]> {
  const found = await lookup(name, { all: true, verbatim: true })
  return found.map(({ address, family }) => ({ address, family: family === 6 ? 6 : 4 }))
}

/** Any name is at these addresses, and only there. */
function only(addresses: readonly Address[]): LookupFunction {
  return (_hostname, { all }, callback) => {
    const [first] = addresses
    if (all) callback(null, [...addresses])
    else callback(null, first?.address ?? '', first?.family)
  }
}

async function readUpTo(response: IncomingMessage, maxBytes: number, { host }: URL): Promise<Buffer> {
  const chunks: Buffer[] = []
  let bytes = 0
  for await (const chunk of response as AsyncIterable<Buffer>) {
    bytes += chunk.length
    if (bytes > maxBytes) throw refused(`${host} answers with more than ${maxBytes} bytes`)
    chunks.push(chunk)
  }
  return Buffer.concat(chunks)
}

async function within<T>(signal: AbortSignal, { host }: URL, work: Promise<T>): Promise<T> {
  const aborted = new Promise<never>((_, reject) => {
    if (signal.aborted) reject(signal.reason as Error)
    signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true })
  })
  work.catch(() => undefined)
  aborted.catch(() => undefined)
  try {
    return await Promise.race([work, aborted])
  } catch (cause) {
    if (cause instanceof TappetError) throw cause
    const why = signal.aborted ? 'does not answer in time' : 'does not answer'
    throw new TappetError('TPT_OUTGOING_FAILED', `${host} ${why}`, { cause })
  }
}

function refused(message: string): TappetError {
  return new TappetError('TPT_OUTGOING_REFUSED', message)
}
