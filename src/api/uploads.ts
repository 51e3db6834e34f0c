import * as z from 'zod'
import { limit } from './input.ts'
import { route } from './route.ts'
import { count, next, text, time } from './schemas.ts'

const StoredFile = z
  .strictObject({
    id: text,
    key: text.describe('`GET /_tappet/uploads/<key>` gives the newest of a key.'),
    size: count,
    contentType: text,
    sha256: text,
    filename: text.nullable(),
    createdAt: time,
    announcedAt: time.nullable().describe('When its event was in the ledger.'),
  })
  .meta({ id: 'File' })

const Unfinished = z
  .strictObject({
    id: text.describe('The last part of its tus URL, where it can be resumed.'),
    key: text,
    filename: text.nullable(),
    offset: count.describe('Bytes that have come.'),
    length: count.nullable().describe('Bytes that were declared; null: its sender did not say.'),
    resumable: z.boolean().describe('By tus, within 24 h; others are over when their connection is.'),
    touchedAt: time.describe('When bytes came last.'),
  })
  .meta({ id: 'UnfinishedUpload' })

export const uploadRoutes = [
  route({
    method: 'GET',
    path: '/uploads/unfinished',
    scope: 'read',
    tag: 'Uploads',
    summary:
      'Files that have not come in full, those that were begun last first: of the storage of the process that answers.',
    query: z.strictObject({ limit: limit(500, 100) }),
    answer: z.strictObject({ uploads: z.array(Unfinished) }),
    handle: async ({ query }, { unfinishedUploads }) => ({ uploads: await unfinishedUploads(query.limit) }),
  }),
  route({
    method: 'GET',
    path: '/uploads',
    scope: 'read',
    tag: 'Uploads',
    summary: 'Stored files, those whose upload began last first.',
    query: z.strictObject({
      prefix: z
        .string()
        .max(1_024)
        .regex(/^[^\u0000]*$/, 'must be without NUL')
        .default('')
        .describe('Of the key.'),
      before: z
        .string()
        .regex(/^file_\w{1,90}$/, 'must be the id of a file')
        .optional(),
      limit: limit(500, 50),
    }),
    answer: z.strictObject({ files: z.array(StoredFile), next }),
    async handle({ query: { prefix, before, limit: most } }, { reader }) {
      const files = await reader.files({ prefix, limit: most, ...(before !== undefined && { before }) })
      return { files, next: files.length === most ? (files.at(-1)?.id ?? null) : null }
    },
  }),
]
