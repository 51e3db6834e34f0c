import { TappetError } from '../errors.ts'

/** Lets what belongs together pass in the order in which it was handed in, though each takes its own time. */
export interface Turns {
  /**
   * Waits for `ready`, and for the turn of all of `things`, then starts `pass`. Rejects without it when something that
   * was handed in before for one of the things was not passed: whoever delivers both again keeps their order.
   */
  take<T, U>(things: readonly string[], ready: Promise<T>, pass: (value: T) => Promise<U>): Promise<U>
}

interface Line {
  /** Settles when everything before has begun to pass, or has failed. */
  turn: Promise<unknown>
  open: number
  broken: boolean
}

export function createTurns(): Turns {
  const lines = new Map<string, Line>()
  const join = (thing: string): Line => {
    const line = lines.get(thing) ?? { turn: Promise.resolve(), open: 0, broken: false }
    lines.set(thing, line)
    line.open++
    return line
  }

  return {
    async take(things, ready, pass) {
      const joined = things.map((thing) => ({ thing, line: join(thing) }))
      const before = Promise.all(joined.map(({ line }) => line.turn))
      let begin = (): void => undefined
      const begun = new Promise<void>((resolve) => (begin = resolve))
      for (const { line } of joined) line.turn = begun
      try {
        const [value] = await Promise.all([ready, before])
        if (joined.some(({ line }) => line.broken)) throw overtaken()
        const passing = pass(value)
        begin()
        return await passing
      } catch (error) {
        for (const { line } of joined) line.broken = true
        throw error
      } finally {
        begin()
        for (const { thing, line } of joined) if (--line.open === 0) lines.delete(thing)
      }
    },
  }
}

function overtaken(): TappetError {
  return new TappetError('TPT_UNAVAILABLE', 'what came before it could not be stored')
}
