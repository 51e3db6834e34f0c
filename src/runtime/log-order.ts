import type { LogLine } from './runtime.ts'
import type { Stacks } from './stacks/stacks.ts'

/** The lines of an instance, in their order, with the places that they name as the author knows them. */
export interface LogOrder {
  write(line: LogLine): void
  /** When all that was written has been given on; null when it has. */
  settled(): Promise<void> | null
}

/** Gives on together the lines that came together, before anything that came after them is acted on. */
export function createLogOrder(stacks: Stacks, onLines: (lines: readonly LogLine[]) => void): LogOrder {
  let waiting: LogLine[] = []
  let turn: Promise<void> | null = null
  const names = ({ message, fields }: LogLine): boolean =>
    stacks.mentions(message) || (fields !== null && stacks.mentions(JSON.stringify(fields)))
  const flush = (): void => {
    const lines = waiting
    waiting = []
    if (turn === null && !lines.some(names)) return onLines(lines)
    const before = turn
    const giveOn = async (): Promise<void> => {
      const translated = await Promise.all(lines.map(stacks.line))
      await before
      onLines(translated)
    }
    const mine: Promise<void> = giveOn().finally(() => {
      if (turn === mine) turn = null
    })
    turn = mine
  }
  return {
    write(line) {
      if (waiting.length === 0) process.nextTick(flush)
      waiting.push(line)
    },
    settled: () => turn,
  }
}
