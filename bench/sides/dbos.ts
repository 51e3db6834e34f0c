import type { OpenSide } from '../harness/side.ts'
import { loadPeer } from '../peers/load.ts'

type Workflow = (data: { readonly key: string; readonly text: string }) => Promise<void>

interface Dbos {
  setConfig(config: Readonly<Record<string, unknown>>): void
  registerWorkflow(workflow: Workflow, options: { readonly name: string }): Workflow
  launch(): Promise<void>
  registerQueue(name: string, options: Readonly<Record<string, number>>): Promise<unknown>
  startWorkflow(workflow: Workflow, options: { readonly queueName: string }): Workflow
  shutdown(): Promise<void>
}

/** A workflow put on a queue, and its dispatcher, which polls: here every 10 ms. Completed is when its code has returned. */
export const enqueueWorkflow: OpenSide = async ({ databaseUrl }) => {
  const { DBOS } = await loadPeer<{ DBOS: Dbos }>('@dbos-inc/dbos-sdk')
  const waiting = new Map<string, () => void>()
  const noOp = DBOS.registerWorkflow(
    async ({ key }) => {
      setImmediate(() => {
        waiting.get(key)?.()
        waiting.delete(key)
      })
    },
    { name: 'noOp' },
  )
  DBOS.setConfig({
    name: 'bench',
    systemDatabaseUrl: databaseUrl,
    systemDatabasePoolSize: 20,
    runAdminServer: false,
    logLevel: 'error',
  })
  await DBOS.launch()
  await DBOS.registerQueue('no-op', { workerConcurrency: 50, minPollingIntervalMs: 10 })
  let count = 0
  return {
    async once(bytes) {
      const key = String(count++)
      const completed = new Promise<void>((resolve) => waiting.set(key, resolve))
      await DBOS.startWorkflow(noOp, { queueName: 'no-op' })({ key, text: 'x'.repeat(bytes - 24) })
      await completed
    },
    close: () => DBOS.shutdown(),
  }
}
