import { type Failure, TappetError, toFailure } from '../../errors.ts'
import type { Ending } from '../ending.ts'
import { type CallHeader, type OpenRun, type OpenRunOptions, openRun } from './open-run.ts'
import { failed, readError, readLine, type Said, toEnding } from './wire.ts'

/** What a process and the broker say to each other about the runs in it. */
export interface Conversation {
  open(id: number, header: CallHeader): void
  /** A line of its stdout. */
  read(line: string): void
  /** A line that cannot be told to belong to a run: it goes to the only one there is, or to the broker's log. */
  stray(line: string): void
  /** Runs that it has not answered. */
  size(): number
  /** When all that it has answered is told. */
  answered(): Promise<void>
}

export interface ConversationOptions extends OpenRunOptions {
  /** Path of the function's file, for messages. */
  readonly file: string
  readonly maxResultBytes: number
  /** What it wrote that belongs to no run. */
  readonly onOutput: (line: string) => void
}

export interface ConversationEvents {
  send(message: object): void
  onReady(): void
  onPong(id: number): void
  onAnswer(id: number, ending: Ending): void
}

export function createConversation(options: ConversationOptions, events: ConversationEvents): Conversation {
  const { file, maxResultBytes, onOutput } = options
  const runs = new Map<number, OpenRun>()
  const answering = new Set<Promise<void>>()

  const stray = (line: string): void => {
    const [only] = runs.values()
    if (only && runs.size === 1) only.log.write('info', line, null)
    else onOutput(line)
  }
  /** What it has answered stands, whatever becomes of it; but not before what it sent is durable. */
  const settle = (id: number, ending: Ending): void => {
    const run = runs.get(id)
    runs.delete(id)
    if (!run) return
    const answer = run.sent().then(() => events.onAnswer(id, ending))
    answering.add(answer)
    void answer.then(() => answering.delete(answer))
  }
  const reply = async (message: Extract<Said, { type: 'send' }>, run: OpenRun | undefined): Promise<void> => {
    const { id, call } = message
    const error = run ? await run.send(message) : noRun(id)
    if (call !== undefined)
      events.send({ type: 'reply', id, call, ok: error === null, ...(error && { error }) })
  }
  const onSaid = (message: Said): void => {
    if (message.type === 'ready') return events.onReady()
    const { id = -1 } = message
    const run = runs.get(id)
    if (message.type === 'pong') events.onPong(id)
    else if (message.type === 'result') settle(id, toEnding(message.result, maxResultBytes))
    else if (message.type === 'error') settle(id, failed(readError(message.error)))
    else if (message.type === 'send') void reply(message, run)
    else if (run) run.log.write(message.level, message.message, message.fields ?? null)
    else stray(message.message)
  }

  return {
    stray,
    open: (id, header) => void runs.set(id, openRun(header, options)),
    read(line) {
      const message = readLine(line)
      if (message.type !== 'unreadable') onSaid(message)
      else if (message.why === null) stray(line)
      else onOutput(`${file}: said what is no message (${message.why}): ${line.slice(0, 200)}`)
    },
    size: () => runs.size,
    answered: async () => void (await Promise.all(answering)),
  }
}

function noRun(id: number | undefined): Failure {
  const message = `expected the id of a run that is under way, got ${id ?? 'none'}`
  return { ...toFailure(new TappetError('TPT_NOT_FOUND', message)), stack: null }
}
