import { createMemoryQueue } from '../../src/queue/memory.ts'
import { conformsToQueue } from '../conformance/queue.ts'

conformsToQueue('the memory queue', async () => createMemoryQueue(), {
  alone: 'a memory queue lives in its own process, and there is no second one on it',
})
