import { type Failure, toFailure } from '../errors.ts'
import type { Declaration } from './declaration.ts'
import { decodeJson, FRAME, type Frame } from './frames.ts'
import { readFile } from 'node:fs/promises'
import { PING } from './pings.ts'
import { SANDBOX_ENVIRONMENT, type View } from './sandbox/bubblewrap.ts'
import { type RunnerProcess, startRunner } from './runner-process.ts'
import { type Stacks, stacksOf } from './stacks/stacks.ts'

/** What a bundle says of itself, or why it cannot. */
export type Described =
  | { readonly kind: 'module' }
  | ({ readonly kind: 'function' } & Declaration)
  /** `final`: another try would only take as long again. */
  | { readonly kind: 'failed'; readonly failure: Failure; readonly final: boolean }

/**
 * Imports bundles in a process apart, those in `sandboxed` in a sandbox each. In their order; one that hangs or crashes has
 * no influence on the others.
 */
export type Describe = (
  bundles: readonly string[],
  sandboxed?: ReadonlyMap<string, View>,
) => Promise<readonly Described[]>

export interface DescriberOptions {
  readonly root: string
  /** All that the importing process sees of the environment. */
  readonly environment: Readonly<Record<string, string>>
  /** Longest that one import may take. Default 10 s. */
  readonly deadlineMs?: number
}

/** In company, a file gets this much of the time; by itself, all of it. */
const SHARE_IN_COMPANY = 0.2
const ALONE_AT_ONCE = 4

/** Remembers what it has seen: a bundle never changes. What failed is tried again, unless it took all its time. */
export function createDescriber({ root, environment, deadlineMs = 10_000 }: DescriberOptions): Describe {
  const known = new Map<string, Described>()
  let next: Describing | null = null
  let rounds = 0
  const open = (): Describing => {
    const found = next ?? openDescribing(root, environment)
    next = null
    return found
  }

  const describeAlone = async (bundle: string, view: View | undefined): Promise<Described> => {
    const process = view ? openDescribing(root, environment, view) : open()
    const described = await process.describe(bundle, deadlineMs)
    process.close()
    return described ?? { kind: 'failed', failure: await process.failure(deadlineMs), final: process.hung() }
  }

  /** All in one process, as long as it lives; then in another. Leaves out those during which a process died or hung. */
  const describeTogether = async (bundles: readonly string[]): Promise<Map<string, Described>> => {
    const found = new Map<string, Described>()
    if (bundles.length === 0) return found
    let process = open()
    for (const bundle of bundles) {
      const described = await process.describe(bundle, deadlineMs * SHARE_IN_COMPANY)
      if (described) {
        found.set(bundle, described)
      } else {
        process.close()
        process = open()
      }
    }
    process.close()
    return found
  }

  const describeNew = async (
    bundles: readonly string[],
    sandboxed: ReadonlyMap<string, View>,
  ): Promise<void> => {
    const found = await describeTogether(bundles.filter((bundle) => !sandboxed.has(bundle)))
    const suspects = bundles.filter((bundle) => !found.has(bundle))
    const alone = async (): Promise<void> => {
      for (let bundle = suspects.shift(); bundle !== undefined; bundle = suspects.shift()) {
        found.set(bundle, await describeAlone(bundle, sandboxed.get(bundle)))
      }
    }
    await Promise.all(Array.from({ length: ALONE_AT_ONCE }, alone))
    for (const [bundle, described] of found) known.set(bundle, described)
    // Who asks again edits: the next process boots until then.
    if (++rounds > 1 && sandboxed.size < bundles.length) next = openDescribing(root, environment)
  }

  return async (bundles, sandboxed = new Map()) => {
    for (const bundle of known.keys()) if (!bundles.includes(bundle)) known.delete(bundle)
    const unknown = bundles.filter((bundle) => isOpen(known.get(bundle)))
    if (unknown.length > 0) await describeNew(unknown, sandboxed)
    return bundles.map((bundle) => known.get(bundle) ?? { kind: 'module' })
  }
}

function isOpen(described: Described | undefined): boolean {
  return described === undefined || (described.kind === 'failed' && !described.final)
}

interface Describing {
  /** Null when there was no answer in time, or the process ended. */
  describe(bundle: string, withinMs: number): Promise<Described | null>
  /** Why there was no answer. */
  failure(withinMs: number): Promise<Failure>
  hung(): boolean
  close(): void
}

function openDescribing(
  root: string,
  environment: DescriberOptions['environment'],
  sandbox: View | null = null,
): Describing {
  let onAnswer: (frame: Frame) => void = () => undefined
  let hung = false
  const process: RunnerProcess = startRunner({
    cwd: root,
    environment: sandbox ? { ...environment, ...SANDBOX_ENVIRONMENT } : environment,
    sandbox,
    onFrame: (frame) => frame.type === FRAME.answer && onAnswer(frame),
    onOutput: () => undefined,
  })
  // Its answer begins the limits, before anything of the function's runs.
  process.send(FRAME.ping, PING.boot)
  return {
    async describe(bundle, withinMs) {
      process.hold(true)
      const answered = new Promise<Described>((resolve) => {
        onAnswer = (frame) => resolve(readAnswer(frame, stacksOf(root, bundle)))
      })
      process.send(FRAME.describe, 0, { bundle }, sandbox ? await readFile(bundle) : undefined)
      let timer: NodeJS.Timeout | undefined
      const late = new Promise<null>((resolve) => {
        timer = setTimeout(() => {
          hung = true
          resolve(null)
        }, withinMs)
      })
      const described = await Promise.race([answered, late, process.exited.then(() => null)])
      clearTimeout(timer)
      return described
    },
    async failure(withinMs) {
      if (hung) return toFailure(`its import did not end within ${withinMs / 1_000} s`)
      const { code, signal, error, over, lastWords } = await process.exited
      if (error !== null) return toFailure(`no process is there to import it: ${error}`)
      if (over !== null) return toFailure(`the process took too much at its import: ${over}`)
      const how = signal === null ? `exited with code ${code}` : `died of ${signal}`
      return toFailure(`the process ${how} at its import${lastWords === null ? '' : `: ${lastWords}`}`)
    },
    hung: () => hung,
    close: () => process.kill(),
  }
}

async function readAnswer({ header, payload }: Frame, stacks: Stacks): Promise<Described> {
  const said = decodeJson(payload)
  if (header.ok !== true)
    return { kind: 'failed', failure: await stacks.failure(said as Failure), final: false }
  return said as Described
}
