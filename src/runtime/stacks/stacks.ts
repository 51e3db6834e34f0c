import { basename } from 'node:path'
import { Worker } from 'node:worker_threads'
import type { Failure } from '../../errors.ts'
import { stacksFile } from '../own-programs.ts'
import type { LogLine } from '../runtime.ts'
import type { StackAnswer, StackQuestion } from './main.ts'

/** Where a bundle's code came from. */
export interface Stacks {
  /** Whether a text names a place in the bundle. */
  mentions(text: string): boolean
  /** The text with the places in the author's files instead. As it was, if they cannot be told. */
  text(text: string): Promise<string>
  failure(failure: Failure): Promise<Failure>
  line(line: LogLine): Promise<LogLine>
}

export function stacksOf(root: string, bundle: string): Stacks {
  const name = `${basename(bundle)}:`
  const mentions = (text: string): boolean => text.includes(name)
  const translate = async (texts: readonly string[]): Promise<readonly string[]> =>
    texts.some(mentions) ? ask({ root, bundle, texts }) : texts
  return {
    mentions,
    text: async (text) => (await translate([text]))[0] ?? text,
    async failure(failure) {
      const [stack = null] = await translate([failure.stack ?? ''])
      return failure.stack === null ? failure : { ...failure, stack }
    },
    async line(line) {
      const fields = JSON.stringify(line.fields)
      const [message = line.message, said = fields] = await translate([line.message, fields])
      return said === fields ? { ...line, message } : { ...line, message, fields: parse(said, line) }
    },
  }
}

function parse(text: string, { fields }: LogLine): LogLine['fields'] {
  try {
    return JSON.parse(text) as LogLine['fields']
  } catch {
    return fields
  }
}

const IDLE_MS = 60_000

interface Open {
  readonly worker: Worker
  readonly waiting: Map<number, (texts: readonly string[]) => void>
}

let current: Promise<Open> | undefined
let idle: NodeJS.Timeout | undefined
let lastId = 0

async function ask(question: Omit<StackQuestion, 'id'>): Promise<readonly string[]> {
  try {
    const { worker, waiting } = await (current ??= stacksFile().then(open))
    const id = ++lastId
    worker.ref()
    return await new Promise<readonly string[]>((resolve) => {
      waiting.set(id, resolve)
      // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread has no origin
      worker.postMessage({ id, ...question } satisfies StackQuestion)
    }).then((texts) => (texts.length === 0 ? question.texts : texts))
  } catch {
    return question.texts
  }
}

/** A thread that lives as long as there is something to look up, and a minute more. */
function open(file: string): Open {
  const worker = new Worker(file, { execArgv: [], env: {} })
  const waiting: Open['waiting'] = new Map()
  const forget = (): void => {
    current = undefined
    for (const resolve of waiting.values()) resolve([])
    waiting.clear()
  }
  worker.on('message', ({ id, texts }: StackAnswer) => {
    waiting.get(id)?.(texts)
    waiting.delete(id)
    if (waiting.size > 0) return
    worker.unref()
    clearTimeout(idle)
    idle = setTimeout(() => {
      forget()
      void worker.terminate()
    }, IDLE_MS).unref()
  })
  worker.once('error', forget).once('exit', forget)
  return { worker, waiting }
}
