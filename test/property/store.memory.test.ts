import { test } from 'node:test'
import fc from 'fast-check'
import { createMemoryStore } from '../../src/store/memory/store.ts'
import { propertyRuns } from '../support/property.ts'
import { orderProperty } from './ordering.ts'
import { agrees, histories } from './store-commands.ts'
import { createModel } from './store-model.ts'

test('G1, G2, G3: the memory ledger follows the model through random histories', async () => {
  const history = fc.asyncProperty(histories(60), async (commands) => {
    let ms = Date.UTC(2026, 0, 1)
    const real = createMemoryStore(() => new Date(ms++))
    const model = createModel()
    await fc.asyncModelRun(() => ({ model, real }), commands)
    for (const run of model.runs) await agrees(run, real)
  })
  await fc.assert(history, propertyRuns())
})

test('G5: the memory ledger keeps the order of each key, and never holds a key up, through random histories', async () => {
  await fc.assert(
    orderProperty(() => createMemoryStore()),
    propertyRuns(),
  )
})
