import type { Readable } from 'node:stream'

/** What is known of an object before its content has come. Kept beside it; never used as a path. */
export interface ObjectInfo {
  readonly key: string
  readonly filename: string | null
  /** Bytes that are to come; null if the sender does not say. */
  readonly length: number | null
  /** What a resumable upload's client wants to be told again; null for other uploads. */
  readonly metadata: Readonly<Record<string, string | null>> | null
}

/** An object that is complete. It does not change any more. */
export interface StoredObject extends ObjectInfo {
  readonly id: string
  readonly size: number
  /** Lower-case hexadecimal. */
  readonly sha256: string
  readonly contentType: string
  readonly createdAt: Date
}

/** An object that is being written, and that nobody sees. It outlives the process that began it. */
export interface Draft {
  readonly id: string
  readonly info: ObjectInfo
  /** Bytes that are there: where the next append goes. */
  readonly size: number
  /** When bytes came last. */
  readonly touchedAt: Date
  /**
   * Adds bytes at the end; one call at a time. Rejects as `chunks` does, and keeps what had come before.
   *
   * @throws TappetError TPT_STORAGE_FULL, and the draft is gone then.
   */
  append(chunks: AsyncIterable<Uint8Array>): Promise<void>
  /** The first bytes, at most so many. */
  head(maxBytes: number): Promise<Buffer>
  sha256(): Promise<string>
  /**
   * Makes it an object, all or nothing. Resolves when a power cut cannot undo it. Never replaces another object.
   *
   * @throws TappetError TPT_STORAGE_FULL, and the draft is gone then.
   */
  commit(contentType: string): Promise<StoredObject>
  /** Removes it. Nothing happens to a draft that is committed or gone. */
  abort(): Promise<void>
}

/**
 * Where file contents are kept, under ids of ours (`file_…`). Methods that take an id treat one of another form as
 * unknown.
 */
export interface Storage {
  /** Begins an object. Rejects if the id is in use. */
  create(id: string, info: ObjectInfo): Promise<Draft>
  /** A draft that was begun before, perhaps by a process that is gone; null if there is none. */
  open(id: string): Promise<Draft | null>
  /** Drafts, those that were begun last first; at most so many. */
  drafts(most: number): Promise<readonly Draft[]>
  stat(id: string): Promise<StoredObject | null>
  /**
   * The content, or the bytes from `start` to `end` (exclusive).
   *
   * @throws TappetError TPT_NOT_FOUND before the first byte.
   */
  read(id: string, range?: ByteRange): Promise<Readable>
  /** Ids of all objects, drafts left out, in no order. */
  ids(): AsyncIterable<string>
  /** Removes an object for good. Nothing happens if there is none. */
  remove(id: string): Promise<void>
  /**
   * Removes drafts to which nothing was added for so long, and what a crash left of them. Those without metadata, which came
   * in one request and which nobody can go on with, after `onceMs`; default the same. Answers how many.
   */
  sweep(idleMs: number, onceMs?: number): Promise<number>
}

export interface ByteRange {
  readonly start: number
  /** Exclusive. */
  readonly end: number
}

const ID = /^file_[0-9A-HJKMNP-TV-Z]{26}$/

/** Whether a text that came from outside may be used to look for an object. */
export function isObjectId(text: string): boolean {
  return ID.test(text)
}
