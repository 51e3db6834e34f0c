import { mkdir, readdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { reference } from '../src/api/reference.ts'
import { ROUTES } from '../src/api/routes.ts'
import { errorDocs } from '../src/explain/pages.ts'

/** Writes what is made from the code: `npm run docs`. */
await writeFile('docs/api-reference.md', reference(ROUTES))
await mkdir('docs/errors', { recursive: true })
const pages = errorDocs()
for (const [path, text] of pages) await writeFile(path, text)
for (const name of await readdir('docs/errors'))
  if (!pages.has(`docs/errors/${name}`)) await rm(join('docs/errors', name))
