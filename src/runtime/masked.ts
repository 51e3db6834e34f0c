import type { Logger } from '../lib/log.ts'
import { createMask, type Mask } from '../lib/mask.ts'
import { createLogOrder, type LogOrder } from './log-order.ts'
import { createOutputLog } from './output-log.ts'
import type { LoadedFunction, LogLine } from './runtime.ts'
import type { Stacks } from './stacks/stacks.ts'

export interface MaskedOutputs {
  readonly log: LogOrder
  readonly onOutput: (line: string) => void
  readonly mask: Mask
}

/** Where what an instance says goes, without its secrets. On our side: whatever runs in a process, it cannot evade it. */
export function maskedOutputs(
  { id, secrets }: LoadedFunction,
  environment: Readonly<Record<string, string>>,
  options: {
    readonly onLog: (lines: readonly LogLine[]) => void
    readonly logger: Logger
    readonly stacks: Stacks
  },
): MaskedOutputs {
  const { onLog, logger, stacks } = options
  const write = createOutputLog(logger, id, stacks)
  const mask = createMask(Object.fromEntries(secrets.map((name) => [name, environment[name] ?? ''])))
  if (secrets.length === 0) return { log: createLogOrder(stacks, onLog), onOutput: write, mask }
  const masked = (line: LogLine): LogLine => ({
    ...line,
    message: mask.text(line.message),
    fields: mask.json(line.fields),
  })
  return {
    log: createLogOrder(stacks, (lines) => onLog(lines.map(masked))),
    onOutput: (line) => write(mask.text(line)),
    mask,
  }
}
