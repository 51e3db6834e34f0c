import type { Logger } from '../lib/log.ts'
import type { Stacks } from './stacks/stacks.ts'

/** Passes lines on to the log of the broker, with places as the author knows them. */
export function createOutputLog(logger: Logger, functionId: string, stacks: Stacks): (line: string) => void {
  const log = (line: string): void => logger.info({ function: functionId }, line)
  return (line) => (stacks.mentions(line) ? void stacks.text(line).then(log) : log(line))
}
