import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Plugin } from 'esbuild'

/** What packages with compiled code depend on, or say about themselves. They look for it beside their own files. */
const LOADERS = [
  'bindings',
  'node-gyp-build',
  'node-gyp-build-optional-packages',
  'prebuild-install',
  'node-addon-api',
]
const FIELDS = ['gypfile', 'napi', 'binary']

/** Leaves `.node` files, and packages that load one, where they are: a bundle cannot carry them. */
export const nativePackages: Plugin = {
  name: 'native-packages',
  setup(build) {
    const native = new Map<string, Promise<boolean>>()
    const isNative = (folder: string): Promise<boolean> => {
      const known = native.get(folder) ?? readNative(folder)
      native.set(folder, known)
      return known
    }
    build.onResolve(
      { filter: /^[^./]|\.node$/ },
      async ({ path, kind, importer, resolveDir, pluginData }) => {
        if (pluginData === nativePackages || kind === 'entry-point' || path.startsWith('node:')) return null
        const found = await build.resolve(path, { kind, importer, resolveDir, pluginData: nativePackages })
        if (found.errors.length > 0 || found.external) return null
        const external = found.path.endsWith('.node') || (await isNative(packageFolder(found.path)))
        return external ? { path: found.path, external: true } : null
      },
    )
  },
}

/** `…/node_modules/@scope/name` of a path in it, or an empty text. */
function packageFolder(path: string): string {
  return /^.*[\\/]node_modules[\\/](?:@[^\\/]+[\\/])?[^\\/]+/.exec(path)?.[0] ?? ''
}

async function readNative(folder: string): Promise<boolean> {
  if (folder === '') return false
  const text = await readFile(join(folder, 'package.json'), 'utf8').catch(() => '{}')
  const manifest = JSON.parse(text) as Readonly<Record<string, unknown>>
  const needed = Object.keys({
    ...(manifest.dependencies as object),
    ...(manifest.optionalDependencies as object),
  })
  return FIELDS.some((field) => field in manifest) || needed.some((name) => LOADERS.includes(name))
}
