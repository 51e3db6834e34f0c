import type { ClientBase } from 'pg'
import type { Logger } from '../../lib/log.ts'
import type { TriggerProblem } from '../trigger.ts'
import { applyDiff, type DbDiff, type FailedChange, type TriggerChange } from './install.ts'
import { problemsFor } from './problems.ts'

export interface ReconcilerOptions {
  readonly install: 'apply' | 'check'
  readonly logger: Logger
}

export interface Reconciled {
  readonly problems: readonly TriggerProblem[]
  /** A table was held by somebody: triggers that should go are still there. */
  readonly undropped: boolean
}

export interface Reconciler {
  /**
   * Brings the triggers of a database to what is declared, or says what is missing. `drop`: also remove those that
   * nobody binds any more.
   */
  run(client: ClientBase, diff: DbDiff, drop: boolean): Promise<Reconciled>
  /** Declarations have changed: what failed may work now. */
  forget(): void
}

/** Short, because it is tried again: whoever writes to the table waits behind us for so long. */
const LOCK_MS = 250

export function createReconciler({ install, logger }: ReconcilerOptions): Reconciler {
  /** Changes that Postgres refused, by fingerprint: each try locks the table, so they wait until something differs. */
  const refused = new Map<string, FailedChange>()

  const apply = async (
    client: ClientBase,
    changes: readonly TriggerChange[],
  ): Promise<readonly FailedChange[]> => {
    const open = changes.filter(({ fingerprint }) => !refused.has(fingerprint))
    const { applied, failed } = await applyDiff(client, { changes: open }, { lockTimeoutMs: LOCK_MS })
    for (const { line } of applied) logger.info({}, line)
    for (const failure of failed.filter(({ locked }) => !locked)) {
      logger.warn({ reason: failure.message }, `Postgres refused: ${failure.change.line}`)
      refused.set(failure.change.fingerprint, failure)
    }
    const before = changes.flatMap(({ fingerprint }) => refused.get(fingerprint) ?? [])
    return [...failed.filter(({ locked }) => locked), ...before]
  }

  return {
    async run(client, { changes, problems }, drop) {
      if (install === 'check') {
        const missing = changes.flatMap((change) => problemsFor(change.subscriptions, missingProblem(change)))
        return { problems: [...problems, ...missing], undropped: false }
      }
      const wanted = changes.filter(({ action }) => drop || action === 'create')
      const failed = await apply(client, wanted)
      const refusals = failed.flatMap(({ change, message }) => problemsFor(change.subscriptions, message))
      const undropped = failed.some(({ change, locked }) => change.action === 'drop' && locked)
      return { problems: [...problems, ...refusals], undropped }
    },
    forget: () => refused.clear(),
  }
}

function missingProblem({ line }: TriggerChange): string {
  return `not installed: ${line}; run \`tappet db apply\``
}
