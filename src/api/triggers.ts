import * as z from 'zod'
import type { AdminDeps } from './deps.ts'
import { route } from './route.ts'
import { text, Trigger } from './schemas.ts'

export const triggerRoutes = [
  route({
    method: 'GET',
    path: '/triggers',
    scope: 'read',
    tag: 'Triggers',
    summary: 'All triggers of all functions, and why those that are not served are not.',
    answer: z.strictObject({
      triggers: z.array(
        z.strictObject({
          functionId: text,
          index: z.int(),
          trigger: Trigger,
          problem: text.nullable(),
          paused: z.boolean(),
        }),
      ),
    }),
    handle: (_call, deps) => listTriggers(deps),
  }),
]

async function listTriggers({ catalog, triggerProblems, store }: AdminDeps): Promise<object> {
  const problems = triggerProblems()
  const paused = new Set((await store.paused()).map(({ functionId }) => functionId))
  return {
    triggers: catalog().functions.flatMap(({ id, triggers }) =>
      triggers.map((trigger, index) => ({
        functionId: id,
        index,
        trigger,
        problem:
          problems.find(({ functionId, label }) => functionId === id && label === trigger.label)?.message ??
          null,
        paused: paused.has(id),
      })),
    ),
  }
}
