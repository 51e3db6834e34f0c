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

export const uploadRoutes = [
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
