import { createMemoryFiles } from '../../src/triggers/upload/memory-files.ts'
import { conformsToFiles } from '../conformance/files.ts'

conformsToFiles('files in memory', async () => createMemoryFiles())
