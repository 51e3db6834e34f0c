import { TappetError } from '../../errors.ts'
import type { Logger } from '../../lib/log.ts'
import type { Accepted, Emit } from '../trigger.ts'
import type { Files } from './files.ts'
import { toEnvelope } from './normalize.ts'
import { admit, mostBytes, refusal, type Route, someTakersOf, type Taker, takersOf } from './routing.ts'
import { tooLarge } from './receive.ts'
import { sniff, SNIFF_BYTES } from './sniff.ts'
import type { Draft, StoredObject } from './storage.ts'

/** What a sender is told about a file that was taken. */
export interface Receipt {
  readonly file: string
  readonly key: string
  readonly size: number
  readonly sha256: string
  readonly contentType: string
  /** The ledger's id of its event; the first one, if functions read the key by several patterns. */
  readonly event: string | null
  readonly runs: readonly string[]
}

/**
 * The way of every upload, whatever the protocol: `mostBytesOf` before the body → `check` after it → `store`, which
 * commits the content, writes the row, emits the event, marks the row; only then is the sender told "taken".
 *
 * From the commit on, the file is there to stay. If a later step fails the sender is told so (503), and the steps are
 * made up for by `announce` at the next scan: nothing that was acknowledged is lost, and a sender that repeats a
 * refused upload at worst makes a second version.
 */
export interface Intake {
  /**
   * The largest file that is taken under a key.
   *
   * @throws TappetError TPT_ROUTE_NOT_FOUND, TPT_EVENT_TOO_LARGE if `length` is beyond it, TPT_SHUTDOWN.
   */
  mostBytesOf(key: string, length: number | null): number
  /** The content type. @throws TappetError TPT_CONTENT_TYPE, TPT_EVENT_TOO_LARGE if no function takes the file. */
  check(draft: Draft): Promise<string>
  /** Stores a draft that `check` has passed. */
  store(draft: Draft, contentType: string): Promise<Receipt>
  /** Writes the row of a stored file, emits its event and marks it. Repeating it does no harm. */
  announce(stored: StoredObject): Promise<Receipt>
  /** Does that if it has not been done. */
  ensureAnnounced(stored: StoredObject): Promise<void>
  /** Resolves when every announcement under way has settled. */
  settled(): Promise<void>
}

export interface IntakeDeps {
  readonly files: Files
  readonly logger: Logger
  /** The routes and the way out, as they are now. @throws TappetError TPT_SHUTDOWN, TPT_UNAVAILABLE. */
  readonly current: () => { readonly routes: readonly Route[]; readonly emit: Emit }
  /** A file was stored, but not announced. */
  readonly onUnannounced: (stored: StoredObject) => void
}

export function createIntake({ files, logger, current, onUnannounced }: IntakeDeps): Intake {
  const underWay = new Set<Promise<unknown>>()

  const announce = async (stored: StoredObject): Promise<Receipt> => {
    const { routes, emit } = current()
    const { id, key, size, sha256, contentType } = stored
    await files.insert(stored)
    // None, if functions have changed since the file came.
    const takers = admit(takersOf(routes, key), size, contentType)
    const accepted = await emitAll(stored, takers, emit)
    await files.markAnnounced(id).catch((error: unknown) => {
      logger.warn(
        { file: id, err: error },
        'a file was announced, but not marked so: it will be announced once more',
      )
    })
    const runs = accepted.flatMap(({ runIds }) => runIds)
    return { file: id, key, size, sha256, contentType, event: accepted[0]?.eventId ?? null, runs }
  }

  const tracked = (stored: StoredObject): Promise<Receipt> => {
    const work = announce(stored)
    underWay.add(work)
    const forget = (): void => void underWay.delete(work)
    work.then(forget, forget)
    return work
  }

  return {
    mostBytesOf(key, length) {
      const maxBytes = mostBytes(someTakersOf(current().routes, key))
      if (length !== null && length > maxBytes) throw tooLarge(maxBytes)
      return maxBytes
    },
    async check(draft) {
      const contentType = await sniff(await draft.head(SNIFF_BYTES), draft.size)
      const takers = someTakersOf(current().routes, draft.info.key)
      if (admit(takers, draft.size, contentType).length === 0) throw refusal(takers, draft.size, contentType)
      return contentType
    },
    async store(draft, contentType) {
      current()
      const stored = await draft.commit(contentType)
      return tracked(stored).catch((error: unknown) => {
        onUnannounced(stored)
        throw storedBut(error, stored)
      })
    },
    announce: tracked,
    async ensureAnnounced(stored) {
      const record = await files.byId(stored.id)
      if (record === null || record.announcedAt === null) await tracked(stored)
    },
    async settled() {
      await Promise.allSettled(underWay)
    },
  }
}

/** One event per pattern: each reads parameters of its own from the key. */
function emitAll(stored: StoredObject, takers: readonly Taker[], emit: Emit): Promise<Accepted[]> {
  const byPattern = new Map<string, Taker[]>()
  for (const taker of takers) {
    const { pattern } = taker.subscription.trigger
    byPattern.set(pattern, [...(byPattern.get(pattern) ?? []), taker])
  }
  const events = [...byPattern].map(([pattern, sharing]) => {
    const event = toEnvelope(stored, pattern, sharing[0]?.params ?? {})
    const subscriptions = sharing.map(({ subscription }) => subscription)
    return emit(event, subscriptions)
  })
  return settleAll(events)
}

/** Waits for all before it fails with the first failure. */
async function settleAll<T>(work: readonly Promise<T>[]): Promise<T[]> {
  await Promise.allSettled(work)
  return Promise.all(work)
}

function storedBut(error: unknown, { id }: StoredObject): unknown {
  if (!(error instanceof TappetError)) return error
  const news = `The file is stored as ${id} and its event follows by itself; sent again, it becomes a second version.`
  return new TappetError(error.code, `${error.message} ${news}`, { cause: error })
}
