import { createMemoryAudit } from '../../src/access/memory-audit.ts'
import { conformsToAudit } from '../conformance/audit.ts'

conformsToAudit('the audit log in memory', async () => createMemoryAudit())
