import { schedulesConformance } from '../conformance/schedules.ts'
import { createMemorySchedules } from '../../src/triggers/cron/memory-schedules.ts'

const OVER = ['completed', 'dead', 'cancelled']

schedulesConformance('schedules in memory', async () => {
  let nowMs = Date.UTC(2026, 0, 1, 12, 0, 30)
  const open = new Set<string>()
  return {
    schedules: createMemorySchedules({
      now: () => new Date(nowMs),
      busy: (id, index) => open.has(`${id}#${index}`),
    }),
    now: async () => new Date(nowMs),
    async pass(ms) {
      nowMs += ms
    },
    async addRun(functionId, index, state) {
      if (!OVER.includes(state)) open.add(`${functionId}#${index}`)
    },
    async close() {},
  }
})
