import type { Pool } from 'pg'
import type { ListedFile } from '../../reader.ts'
import { ask, values } from './ask.ts'

export function files(
  pool: Pool,
  { prefix, limit, before }: { readonly prefix: string; readonly limit: number; readonly before?: string },
): Promise<ListedFile[]> {
  const list = values()
  const older = before === undefined ? '' : `and id < ${list.bind(before)}`
  const text = `
    select id, key, size::float8 as size, content_type as "contentType", sha256, filename,
           created_at as "createdAt", announced_at as "announcedAt" from tappet.files
     where starts_with(key, ${list.bind(prefix)}) ${older} order by id desc limit ${list.bind(limit)}`
  return ask<ListedFile>(pool, text, list)
}
