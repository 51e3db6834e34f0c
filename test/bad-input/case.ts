import type { Target } from './target.ts'
import type { Reply } from './wire.ts'

/** One bad (or nearly good) input. */
export interface Case {
  /** Names it among all: `<class>/<what>`. */
  readonly id: string
  /** Sends it. Rejects with a sentence when what came back is wrong. */
  run(target: Target): Promise<Told>
}

/** What the sender was told. */
export interface Told {
  readonly verdict: 'accepted' | 'refused'
  /** Events that it was told are stored now. The ledger must hold these more, and no other. */
  readonly events: number
}

export const REFUSED: Told = { verdict: 'refused', events: 0 }
/** An answer that has nothing to store. */
export const ANSWERED: Told = { verdict: 'accepted', events: 0 }

/** Refused with one of these statuses, and in our words where there is a body. */
export function refused(reply: Reply, ...statuses: readonly number[]): Told {
  expect(statuses.includes(reply.status), `expected ${statuses.join(' or ')}, got ${reply.text()}`)
  const said = reply.head || reply.body.length === 0 ? null : errorOf(reply)
  expect(said === null || said.startsWith('TPT_'), `expected an error of ours, got ${reply.text()}`)
  return REFUSED
}

/** Taken, and durable: 200, 201 or 202. */
export function accepted(reply: Reply, events = 1): Told {
  expect([200, 201, 202].includes(reply.status), `expected 2xx, got ${reply.text()}`)
  return { verdict: 'accepted', events: reply.headers['tappet-duplicate'] === 'true' ? 0 : events }
}

/** Either way, but never a failure of ours. For what standards leave open. */
export function either(reply: Reply, ...statuses: readonly number[]): Told {
  return reply.status < 300 ? accepted(reply) : refused(reply, ...statuses)
}

/** Refused in whatever words: protocols of others have their own. Never a failure of ours. */
export function refusedSomehow(reply: Reply): Told {
  expect(reply.status >= 400 && reply.status < 500, `expected 4xx, got ${reply.text()}`)
  return REFUSED
}

export function expect(holds: boolean, otherwise: string): asserts holds {
  if (!holds) throw new Error(otherwise)
}

export function expectEqual(got: unknown, wanted: unknown, what: string): void {
  const [left, right] = [JSON.stringify(got), JSON.stringify(wanted)]
  expect(left === right, `${what}: expected ${right?.slice(0, 300)}, got ${left?.slice(0, 300)}`)
}

function errorOf(reply: Reply): string | null {
  try {
    const { error } = reply.json<{ error?: { code?: string } }>()
    return error?.code ?? 'none'
  } catch {
    return reply.headers['tus-resumable'] === undefined ? 'not JSON' : 'TPT_TUS'
  }
}
