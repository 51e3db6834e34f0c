import { TappetError } from '../errors.ts'
import { digestOf, isAmong } from '../lib/secret.ts'
import type { Key, Keys } from './keys.ts'
import { allows, type Scope } from './scopes.ts'
import { createWrongKeys } from './wrong-keys.ts'

/** Whose key it is. */
export type Holder = Pick<Key, 'id' | 'name' | 'scopes'>

/** What a request shows of itself. */
export interface Asking {
  readonly authorization: string | undefined
  readonly address: string
}

/** A key that is good, but not for this. */
export class Forbidden extends TappetError {
  readonly holder: Holder

  constructor(holder: Holder, scope: Scope) {
    const { id, scopes } = holder
    super('TPT_FORBIDDEN', `This needs a key with the scope ${scope}; ${id} has ${scopes.join(', ')}.`)
    this.holder = holder
  }
}

export interface Guard {
  /**
   * @throws TappetError TPT_UNAUTHORIZED for no key, or one that is unknown, revoked or expired; Forbidden for one
   *   without the scope; TPT_RATE_LIMITED for too many unknown ones; TPT_UNAVAILABLE when the ledger cannot be asked.
   */
  admit(asking: Asking, scope: Scope): Promise<Holder>
}

/** How long an answer of the ledger's is good: a revoked key is refused everywhere within it. */
const FRESH_MS = 1_000
const MAX_KNOWN = 1_000
const ISSUED = /^tpt_[\w-]{43}$/
/** The holder of an admin key that was not issued: that of `.tappet/admin.key` or TAPPET_ADMIN_TOKEN. */
const BOOTSTRAP: Holder = { id: 'admin', name: 'admin', scopes: ['admin'] }

interface Answer {
  readonly askedAt: number
  readonly key: Promise<Key | null>
}

/**
 * Says who may do what. `adminKeys` are good without a ledger, all others are `issued`. An address that has shown too
 * many unknown keys is told to wait; keys that were good before are let through all the same, because many clients may
 * share the address of a proxy.
 */
export function createGuard(adminKeys: readonly string[], issued: Keys | null): Guard {
  const admins = adminKeys.filter((key) => key !== '').map(digestOf)
  const wrong = createWrongKeys()
  const find = rememberFor(FRESH_MS, async (digest) => (await issued?.use(digest)) ?? null)

  const identify = async ({ authorization = '', address }: Asking): Promise<Holder | Key | null> => {
    const token = /^Bearer +(\S+) *$/i.exec(authorization)?.[1]
    if (token === undefined) return null
    const digest = digestOf(token)
    if (isAmong(digest, admins)) return BOOTSTRAP
    if (find.knows(digest)) return find(digest)
    if (!wrong.take(address))
      throw new TappetError('TPT_RATE_LIMITED', 'Too many unknown keys came from here.')
    if (!ISSUED.test(token)) return null
    try {
      const key = await find(digest)
      if (key) wrong.giveBack(address)
      return key
    } catch (error) {
      wrong.giveBack(address)
      throw error
    }
  }
  return {
    async admit(asking, scope) {
      const holder = await identify(asking)
      if (!holder) throw new TappetError('TPT_UNAUTHORIZED', `This needs a key with the scope ${scope}.`)
      const { id, name, scopes } = holder
      if ('state' in holder && holder.state !== 'live')
        throw new TappetError('TPT_UNAUTHORIZED', `The key ${id} is ${holder.state}.`)
      if (allows(scopes, scope)) return { id, name, scopes }
      throw new Forbidden({ id, name, scopes }, scope)
    },
  }
}

type Find = (digest: Buffer) => Promise<Key | null>

/** Concurrent questions share one answer. Only keys that exist are remembered: strangers cannot fill it. */
function rememberFor(freshMs: number, ask: Find): Find & { knows(digest: Buffer): boolean } {
  const answers = new Map<string, Answer>()
  const known = new Set<string>()
  const put = (name: string, answer: Answer): void => {
    answers.delete(name)
    answers.set(name, answer)
    for (const oldest of answers.keys()) {
      if (answers.size <= MAX_KNOWN) break
      answers.delete(oldest)
      known.delete(oldest)
    }
  }
  const forget = (name: string, answer: Answer): void => {
    if (answers.get(name) !== answer) return
    answers.delete(name)
    known.delete(name)
  }
  const find: Find = async (digest) => {
    const name = digest.toString('base64')
    const last = answers.get(name)
    if (last && performance.now() - last.askedAt < freshMs) return last.key
    const answer = { askedAt: performance.now(), key: ask(digest) }
    put(name, answer)
    try {
      const key = await answer.key
      if (key) known.add(name)
      else forget(name, answer)
      return key
    } catch (error) {
      // It stays known, but is asked for again.
      if (answers.get(name) === answer) put(name, { ...answer, askedAt: -Infinity })
      throw error
    }
  }
  return Object.assign(find, { knows: (digest: Buffer) => known.has(digest.toString('base64')) })
}
