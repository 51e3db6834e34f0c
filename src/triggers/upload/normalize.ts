import type { StoredObject } from './storage.ts'
import type { UploadEvent } from './event.ts'

/**
 * A stored file as an event. Patterns read different parameters from one key, so each pattern is a source of its own;
 * the file's id names the content, so an announcement that is repeated is the same event.
 */
export function toEnvelope(
  { id, key, size, contentType, sha256, filename, createdAt }: StoredObject,
  pattern: string,
  params: Readonly<Record<string, string>>,
): UploadEvent {
  return {
    specversion: '1.0',
    id,
    source: uploadSource(pattern),
    type: 'upload.created',
    subject: key,
    time: createdAt.toISOString(),
    data: { id, key, params, size, contentType, sha256, filename },
  }
}

export function uploadSource(pattern: string): string {
  return `/upload/${encodeURI(pattern)}`
}
