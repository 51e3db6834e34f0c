import { createMemoryStore } from '../../src/store/memory/store.ts'
import { conformsToStore } from '../conformance/store.ts'

conformsToStore('the memory store', async () => createMemoryStore())
