import { writeFile } from 'node:fs/promises'
import { reference } from '../src/api/reference.ts'
import { ROUTES } from '../src/api/routes.ts'

/** Writes what is made from the code: `npm run docs`. */
await writeFile('docs/api-reference.md', reference(ROUTES))
