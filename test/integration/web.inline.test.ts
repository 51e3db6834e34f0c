import type { WebHandler } from '../../src/define/define-web-handler.ts'
import { createInlineRuntime } from '../../src/runtime/inline.ts'
import { describeModule } from '../../src/runtime/runner/describe.ts'
import type { LoadedFunction, LogLine } from '../../src/runtime/runtime.ts'
import { readWebDeclaration } from '../../src/runtime/web/declaration.ts'
import { testWebHandlers } from '../conformance/web.ts'
import { fakeHost } from '../support/runtime.ts'
import * as functions from '../support/web-functions.ts'

const handlers = new Map(Object.entries(functions as unknown as Record<string, WebHandler>))

testWebHandlers('web handlers, inline', async () => {
  const logs: LogLine[] = []
  const runtime = createInlineRuntime(handlers, fakeHost(), (lines) => void logs.push(...lines))
  return { runtime, functions: [...handlers.keys()].map(load), logs, close: () => runtime.close() }
})

function load(id: string): LoadedFunction {
  const described = describeModule({ default: handlers.get(id) })
  const declared = described.kind === 'function' ? readWebDeclaration(described, id) : [described.kind]
  if (!('triggers' in declared)) throw new Error(`${id}: ${declared.join(', ')}`)
  return { id, file: `functions/${id}.ts`, bundle: '', version: 'inline', ...declared }
}
