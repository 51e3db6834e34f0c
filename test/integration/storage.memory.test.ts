import { createMemoryStorage } from '../../src/triggers/upload/memory-storage.ts'
import { conformsToStorage } from '../conformance/storage.ts'

conformsToStorage('storage in memory', async () => createMemoryStorage())
