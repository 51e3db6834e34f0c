import { Refusal, request } from './api.ts'

/** A resumable upload: tus 1.0.0, in pieces, so that it can be seen how far it is. */
export interface TusUpload {
  readonly key: string
  readonly file: File
  /** The id of one that was begun before; null begins one. */
  readonly resume: string | null
  readonly onProgress: (offset: number) => void
  readonly signal: AbortSignal
}

const PIECE_BYTES = 4 * 1_048_576
/** Without a byte in between. */
const MOST_FAILURES = 5
const VERSION = { 'tus-resumable': '1.0.0' }

/**
 * Resolves when the file is stored and its event is in the ledger. A piece that fails is asked after and sent again.
 *
 * @throws Refusal when the server does not want it; what `signal` was aborted with.
 */
export async function upload({ key, file, resume, onProgress, signal }: TusUpload): Promise<void> {
  const path = `tus/${resume ?? (await begin(key, file, signal))}`
  let offset = resume === null ? 0 : await offsetOf(path, signal)
  let failures = 0
  onProgress(offset)
  while (offset < file.size) {
    try {
      const before = offset
      offset = await sendPiece(path, file, offset, signal)
      if (offset > before) failures = 0
    } catch (error) {
      if (signal.aborted || isFinal(error) || ++failures === MOST_FAILURES) throw error
      await pause(failures * 1_000, signal)
      offset = await offsetOf(path, signal).catch(() => offset)
    }
    onProgress(offset)
  }
}

export function discard(id: string): Promise<Response> {
  return request(`tus/${id}`, { method: 'DELETE', headers: VERSION })
}

async function begin(key: string, { size, name }: File, signal: AbortSignal): Promise<string> {
  const metadata = Object.entries({ key, filename: name }).map(
    ([field, value]) => `${field} ${base64(value)}`,
  )
  const headers = { ...VERSION, 'upload-length': String(size), 'upload-metadata': metadata.join(',') }
  const { headers: told } = await request('tus', { method: 'POST', headers, signal })
  return (told.get('location') ?? '').split('/').at(-1) ?? ''
}

async function offsetOf(path: string, signal: AbortSignal): Promise<number> {
  const { headers } = await request(path, { method: 'HEAD', headers: VERSION, signal })
  return Number(headers.get('upload-offset'))
}

async function sendPiece(path: string, file: File, offset: number, signal: AbortSignal): Promise<number> {
  const { headers } = await request(path, {
    ...{ method: 'PATCH', body: file.slice(offset, offset + PIECE_BYTES), signal },
    headers: {
      ...{ ...VERSION, 'content-type': 'application/offset+octet-stream' },
      'upload-offset': String(offset),
    },
  })
  return Number(headers.get('upload-offset'))
}

/** Not for a server that is away or busy (5xx), nor for an offset or a lock that another piece has moved (409, 423). */
function isFinal(error: unknown): boolean {
  return error instanceof Refusal && error.status < 500 && error.status !== 409 && error.status !== 423
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, ms)
    signal.addEventListener('abort', () => (clearTimeout(timer), reject(signal.reason as Error)), {
      once: true,
    })
  })
}

function base64(text: string): string {
  return btoa(String.fromCharCode(...new TextEncoder().encode(text)))
}
