import { copyFile, mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { build } from 'esbuild'

/**
 * Bundles the pages into `dist/dashboard/app`, with all that they need: a user builds nothing. By esbuild, which functions
 * are bundled by, too.
 */
const from = join(import.meta.dirname, '..', '..', 'src', 'dashboard', 'app')
const to = join(import.meta.dirname, 'app')

await mkdir(to, { recursive: true })
await build({
  entryPoints: [join(from, 'main.tsx')],
  outfile: join(to, 'app.js'),
  bundle: true,
  minify: true,
  format: 'esm',
  target: ['chrome123', 'firefox120', 'safari17.5'],
  jsx: 'automatic',
  jsxImportSource: 'preact',
  legalComments: 'none',
})
await build({ entryPoints: [join(from, 'app.css')], outfile: join(to, 'app.css'), minify: true })
for (const name of ['index.html', 'icon.svg']) await copyFile(join(from, name), join(to, name))
