import { createMemoryKeys } from '../../src/access/memory-keys.ts'
import { conformsToKeys } from '../conformance/keys.ts'

conformsToKeys('keys in memory', async () => createMemoryKeys())
