import { ANSWERED, type Case, expect, REFUSED, type Told } from '../case.ts'
import { NAUGHTY } from '../strings.ts'
import { TappetError } from '../../../src/errors.ts'
import { type Duration, toMs } from '../../../src/lib/duration.ts'
import { parseCron } from '../../../src/triggers/cron/next.ts'
import { checkTrigger } from '../../../src/triggers/http/check.ts'
import { parseTableName } from '../../../src/triggers/postgres/table-name.ts'
import { queueNameProblem } from '../../../src/triggers/queue/normalize.ts'
import { compilePattern } from '../../../src/triggers/upload/pattern.ts'
import { NAMES } from './declared-names.ts'
import { TIMES } from './declared-times.ts'
import { declared } from '../../support/http-trigger.ts'

/** What authors write is read by the broker itself: in its own process, so nothing may hold it up. */
const MAX_MS = 50
const TRIES = 8

/** A reader answers null, or what is wrong in a sentence. */
type Reader = (text: string) => string | null

const throwing =
  (read: (text: string) => unknown): Reader =>
  (text) => {
    try {
      read(text)
      return null
    } catch (error) {
      expect(
        error instanceof RangeError || error instanceof TappetError,
        `expected an error of ours, got ${String(error)}`,
      )
      return error.message
    }
  }

const FROM = new Date('2026-03-01T00:00:00Z')

const READERS: Readonly<Record<string, Reader>> = {
  cron: throwing((text) => parseCron(text, 'Etc/UTC').after(FROM)),
  zone: throwing((text) => parseCron('30 2 * * *', text).after(FROM)),
  duration: throwing((text) => toMs(text as Duration)),
  pattern: throwing((text) => {
    const compiled = compilePattern(text)
    for (const key of KEYS) compiled.match(key)
  }),
  route: (text) => checkTrigger(declared('post', '/x', {}, { path: text })),
  table: (text) => {
    const name = parseTableName(text)
    return typeof name === 'string' ? name : null
  },
  queue: queueNameProblem,
}

const KEYS = ['a'.repeat(500), `${'a'.repeat(499)}b`, `${'a/'.repeat(200)}b`, 'ab'.repeat(250)]

const TEXTS = { ...TIMES, ...NAMES }

/** Told apart: taken, or refused in one sentence that is short whatever came. */
function read(reader: Reader, text: string): Told {
  let quickestMs = Infinity
  let said: string | null = null
  for (let i = 0; i < TRIES && quickestMs > MAX_MS; i++) {
    const started = performance.now()
    said = reader(text)
    quickestMs = Math.min(quickestMs, performance.now() - started)
  }
  expect(quickestMs <= MAX_MS, `it took ${Math.round(quickestMs)} ms`)
  if (said === null) return ANSWERED
  expect(said.length <= 1_200, `expected a short message, got ${said.length} characters`)
  expect(/must|expected|at most|has|needs|no |not /.test(said), `expected what was expected, got ${said}`)
  return REFUSED
}

export const DECLARATIONS: readonly Case[] = Object.entries(READERS).flatMap(([name, reader]) =>
  [...new Set([...((TEXTS as Readonly<Record<string, readonly string[]>>)[name] ?? []), ...NAUGHTY])].map(
    (text, i) => ({
      id: `declarations/${name} ${i}`,
      run: async () => read(reader, text),
    }),
  ),
)
