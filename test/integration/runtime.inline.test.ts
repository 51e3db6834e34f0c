import type { FunctionDefinition } from '../../src/define/define-function.ts'
import { readDeclaration } from '../../src/runtime/declaration.ts'
import { createInlineRuntime } from '../../src/runtime/inline.ts'
import { describeModule } from '../../src/runtime/runner/describe.ts'
import type { LoadedFunction, LogLine } from '../../src/runtime/runtime.ts'
import { testRuntime } from '../conformance/runtime.ts'
import { fakeHost } from '../support/runtime.ts'
import * as functions from '../support/runtime-functions.ts'

const definitions = new Map(Object.entries(functions as unknown as Record<string, FunctionDefinition>))

testRuntime('inline runtime', {
  async prepare() {
    return { find: load, remove: async () => undefined }
  },
  async open() {
    const host = fakeHost()
    const logs: LogLine[] = []
    const runtime = createInlineRuntime(definitions, host, (lines) => void logs.push(...lines))
    return { runtime, host, logs, close: () => runtime.close() }
  },
})

function load(id: string): LoadedFunction {
  const described = describeModule({ default: definitions.get(id) })
  const declared = described.kind === 'function' ? readDeclaration(described) : [described.kind]
  if (!('triggers' in declared)) throw new Error(`${id}: ${declared.join(', ')}`)
  return { id, file: `functions/${id}.ts`, bundle: '', version: 'inline', ...declared }
}
