import { createMemoryOutbox } from '../../src/outbox/memory.ts'
import { testOutbox } from '../conformance/outbox.ts'

testOutbox('memory outbox', async () => {
  const outbox = createMemoryOutbox()
  return {
    outbox,
    async write(rows) {
      outbox.write(rows)
    },
    async close() {},
  }
})
