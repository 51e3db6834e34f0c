import { Readable } from 'node:stream'
import { Busboy, type BusboyFileStream, type BusboyInstance } from '@fastify/busboy'
import { TappetError } from '../../errors.ts'
import type { HttpReply, HttpRequest } from '../../api/server.ts'
import { newId } from '../../lib/id.ts'
import { keyFromUrl, toFilename, toKey } from './key.ts'
import { type Receiver, UPLOADS_PATH } from './put.ts'
import { arriving, atMost, tooLarge } from './receive.ts'
import type { Draft } from './storage.ts'

const LIMITS = {
  parts: 100,
  files: 100,
  fields: 100,
  fieldNameSize: 100,
  fieldSize: 2_048,
  headerPairs: 32,
  headerSize: 16_384,
}

/**
 * `POST /_tappet/uploads` or `/_tappet/uploads/<prefix>` with a form. Each file goes to the key that a field `key`
 * before it names, or else to its own name under the prefix. If one is refused, none is stored.
 */
export async function receiveForm(
  request: HttpRequest,
  reply: HttpReply,
  receiver: Receiver,
): Promise<HttpReply> {
  const { storage, intake } = receiver
  const prefix = prefixOf(request.raw.url ?? '')
  const begun: Draft[] = []
  try {
    const drafts = await readForm(request, async (file, name, key) => {
      const filename = toFilename(name)
      if (key === null && filename === null)
        throw invalid('Each file must have a filename, or a field `key` before it.')
      const own = toKey(key ?? prefix + filename)
      const maxBytes = intake.mostBytesOf(own, null)
      const draft = await storage.create(newId('file'), { key: own, filename, length: null, metadata: null })
      begun.push(draft)
      await draft.append(atMost(arriving(file), maxBytes))
      if (file.truncated) throw tooLarge(draft.size)
      return draft
    })
    if (drafts.length === 0) throw invalid('The form must have at least one file.')
    const contentTypes = await Promise.all(drafts.map((draft) => intake.check(draft)))
    const receipts = []
    for (const [i, draft] of drafts.entries()) receipts.push(await intake.store(draft, contentTypes[i] ?? ''))
    return reply.code(201).send(receipts)
  } catch (error) {
    await Promise.all(begun.map((draft) => draft.abort()))
    throw error
  }
}

function prefixOf(url: string): string {
  const [path = ''] = url.split('?', 1)
  const folder = path.endsWith('/') ? path.slice(0, -1) : path
  return folder.startsWith(UPLOADS_PATH) ? `${keyFromUrl(folder, UPLOADS_PATH)}/` : ''
}

type OnFile<T> = (file: BusboyFileStream, filename: string | undefined, key: string | null) => Promise<T>

/**
 * Reads a form to its end; answers what its files became, in their order. Rejects with the first failure, when
 * everything that was begun has ended.
 */
async function readForm<T>(request: HttpRequest, onFile: OnFile<T>): Promise<T[]> {
  const form = createParser(request)
  const body = Readable.from(arriving(request.raw), { objectMode: false })
  const open = new Set<Readable>()
  const works: Promise<T>[] = []
  let key: string | null = null
  const read = new Promise<void>((resolve, reject) => {
    form.on('field', (name, value, _nameCut, cut) => {
      if (name !== 'key') return
      if (cut) reject(invalid('The field `key` is too long.'))
      key = value
    })
    form.on('file', (_name, file, filename) => {
      open.add(file)
      file.on('error', () => undefined).once('close', () => open.delete(file))
      const work = onFile(file, filename, key)
      work.catch(reject) // at once; if the form has been read to its end by then, `works` tells it
      works.push(work)
      key = null
    })
    for (const limit of ['partsLimit', 'filesLimit', 'fieldsLimit'] as const)
      form.on(limit, () => reject(invalid(`The form must have at most ${LIMITS.parts} parts.`)))
    form.on('error', (cause) =>
      reject(new TappetError('TPT_BODY_INVALID', 'The form is malformed.', { cause })),
    )
    form.once('finish', resolve)
    body.once('error', reject).pipe(form)
  })
  try {
    await read
    return await Promise.all(works)
  } catch (error) {
    body.unpipe(form)
    body.destroy()
    for (const file of open) file.destroy()
    await Promise.allSettled(works)
    throw error
  }
}

function createParser({ headers }: HttpRequest): BusboyInstance {
  const contentType = headers['content-type'] ?? ''
  if (!/^multipart\/form-data\s*;/i.test(contentType))
    throw new TappetError(
      'TPT_CONTENT_TYPE',
      'POST takes multipart/form-data; send a bare file with PUT, or with tus.',
    )
  try {
    // No fileSize: each file is cut off at the limit of its own key.
    return new Busboy({ headers: { ...headers, 'content-type': contentType }, limits: LIMITS })
  } catch (cause) {
    throw new TappetError('TPT_BODY_INVALID', 'The form has no valid boundary.', { cause })
  }
}

function invalid(message: string): TappetError {
  return new TappetError('TPT_BODY_INVALID', message)
}
