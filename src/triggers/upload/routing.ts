import { TappetError } from '../../errors.ts'
import { MAX_ATTRIBUTE } from '../../events/envelope.ts'
import type { Subscription, TriggerProblem } from '../trigger.ts'
import type { UploadTrigger } from './declare.ts'
import { uploadSource } from './normalize.ts'
import { compilePattern, type KeyPattern } from './pattern.ts'
import { tooLarge } from './receive.ts'
import { accepts, canTell } from './sniff.ts'

export interface Route {
  readonly subscription: Subscription<UploadTrigger>
  readonly pattern: KeyPattern
}

/** A function that wants a key, and what its pattern reads from it. */
export interface Taker {
  readonly subscription: Subscription<UploadTrigger>
  readonly params: Readonly<Record<string, string>>
}

export interface Routing {
  readonly routes: readonly Route[]
  readonly problems: readonly TriggerProblem[]
}

export function compileRoutes(subscriptions: readonly Subscription<UploadTrigger>[]): Routing {
  const routes: Route[] = []
  const problems: TriggerProblem[] = []
  for (const subscription of subscriptions) {
    const { functionId, trigger } = subscription
    try {
      routes.push({ subscription, pattern: checkedPattern(trigger) })
    } catch (error) {
      problems.push({ functionId, label: trigger.label, message: (error as Error).message })
    }
  }
  return { routes, problems }
}

export function takersOf(routes: readonly Route[], key: string): readonly Taker[] {
  return routes.flatMap(({ subscription, pattern }) => {
    const params = pattern.match(key)
    return params ? [{ subscription, params }] : []
  })
}

/** Those who want the key. @throws TappetError TPT_ROUTE_NOT_FOUND if nobody does. */
export function someTakersOf(routes: readonly Route[], key: string): readonly Taker[] {
  const takers = takersOf(routes, key)
  if (takers.length > 0) return takers
  const patterns = [...new Set(routes.map(({ subscription }) => subscription.trigger.pattern))]
  const known =
    patterns.length > 0 ? `those that do want ${listed(patterns)}` : 'there are none with an upload trigger'
  throw new TappetError(
    'TPT_ROUTE_NOT_FOUND',
    `No function wants uploads with the key ${JSON.stringify(key)}: ${known}.`,
  )
}

/** The largest file that any of them takes. */
export function mostBytes(takers: readonly Taker[]): number {
  return Math.max(...takers.map(({ subscription }) => subscription.trigger.maxBytes))
}

/** Those whose own limits the file keeps. */
export function admit(takers: readonly Taker[], size: number, contentType: string): readonly Taker[] {
  return takers.filter(
    ({ subscription: { trigger } }) => size <= trigger.maxBytes && accepts(trigger.accept, contentType),
  )
}

/** Why none of them takes the file. */
export function refusal(takers: readonly Taker[], size: number, contentType: string): TappetError {
  const maxBytes = mostBytes(takers)
  if (size > maxBytes) return tooLarge(maxBytes)
  const wanted = [...new Set(takers.flatMap(({ subscription }) => subscription.trigger.accept))]
  const what = `expected ${listed(wanted)}, got ${contentType} (told from the content) of ${size} bytes`
  return new TappetError('TPT_CONTENT_TYPE', `No function takes this file: ${what}.`)
}

function checkedPattern({
  pattern,
  accept,
  maxBytes,
}: Pick<UploadTrigger, 'pattern' | 'accept' | 'maxBytes'>): KeyPattern {
  const compiled = named('upload(pattern)', () => compilePattern(pattern))
  if (uploadSource(pattern).length > MAX_ATTRIBUTE)
    throw new RangeError(`upload(pattern) must have at most ${MAX_ATTRIBUTE} characters once percent-encoded`)
  if (!Number.isSafeInteger(maxBytes) || maxBytes < 0)
    throw new RangeError(`\`maxBytes\` must be a whole number of bytes, got ${maxBytes}`)
  const vain = accept.find((entry) => !canTell(entry))
  if (vain === undefined) return compiled
  throw new RangeError(
    `\`accept\` has ${JSON.stringify(vain)}, which cannot be told from content; what is only text is \`text/plain\``,
  )
}

function named<T>(option: string, work: () => T): T {
  try {
    return work()
  } catch (error) {
    throw new RangeError(`${option} ${(error as Error).message}`, { cause: error })
  }
}

function listed(texts: readonly string[]): string {
  const shown = texts.slice(0, 10).map((text) => `\`${text}\``)
  return texts.length > shown.length
    ? `${shown.join(', ')} and ${texts.length - shown.length} more`
    : shown.join(', ')
}
