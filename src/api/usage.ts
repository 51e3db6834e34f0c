import * as z from 'zod'
import type { Usage } from '../store/usage.ts'
import { limit } from './input.ts'
import { costOf, PRICES, READ_ON } from './prices.ts'
import { route } from './route.ts'
import { count, ms, text } from './schemas.ts'

const Day = z
  .strictObject({
    day: text.describe('UTC, such as 2026-11-26.'),
    functionId: text,
    runs: count.describe('How many had an attempt.'),
    attempts: count.describe('Calls of the function: attempts that completed or failed.'),
    failed: count.describe('Attempts that failed.'),
    cold: count.describe('Attempts whose process had yet to load the function.'),
    busyMs: ms.describe('How long attempts ran, together.'),
    failedMs: ms.describe('Of that, in attempts that failed.'),
    billedMs: ms.describe('Each attempt rounded up to a millisecond.'),
    gbSeconds: z.number().describe('Billed time × the memory that the function may take.'),
    cpuMs: ms.describe('As far as it is known: not of other languages, nor of attempts that were killed.'),
    peakKb: count.describe('Most memory of a process, in KiB.'),
    bytesIn: count.describe('Of events, as JSON.'),
    bytesOut: count.describe('Of results and failures, as JSON.'),
  })
  .meta({ id: 'Usage' })

const Cost = z
  .strictObject({
    cloud: text,
    usd: z.number().describe('Without what plans include, monthly fees and discounts.'),
    rates: z
      .strictObject({ perMillionCalls: z.number(), perGbSecond: z.number(), perCpuHour: z.number() })
      .describe('US dollars, each: calls × the first + GB-seconds × the second + CPU time × the third.'),
    of: text.describe('Which of its prices.'),
    source: text,
    note: text.nullable(),
  })
  .meta({ id: 'Cost' })

export const usageRoutes = [
  route({
    method: 'GET',
    path: '/usage',
    scope: 'read',
    tag: 'Usage',
    summary:
      'What functions took, by function and the day on which attempts ended, and what all of it would have cost elsewhere.',
    query: z.strictObject({ days: limit(400, 14) }),
    answer: z.strictObject({
      usage: z.array(Day),
      costs: z.array(Cost),
      pricesReadOn: text.describe('When the list prices were read.'),
    }),
    async handle({ query }, { store }) {
      const usage = await store.usage(query.days)
      return { usage, costs: costs(usage), pricesReadOn: READ_ON }
    },
  }),
]

function costs(usage: readonly Usage[]): z.output<typeof Cost>[] {
  const sum = (of: (day: Usage) => number): number => usage.reduce((total, day) => total + of(day), 0)
  const taken = {
    attempts: sum(({ attempts }) => attempts),
    gbSeconds: sum(({ gbSeconds }) => gbSeconds),
    cpuMs: sum(({ cpuMs }) => cpuMs),
  }
  return PRICES.map((price) => {
    const { cloud, of, source, note, perMillionCalls, perGbSecond, perCpuHour } = price
    const rates = { perMillionCalls, perGbSecond, perCpuHour }
    return { cloud, usd: costOf(taken, rates), rates, of, source, note }
  })
}
