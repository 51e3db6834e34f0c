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

/** Packages that a project wants left out of bundles: `"tappet": { "external": ["sharp"] }` in its package.json. */
export async function namedExternal(root: string): Promise<readonly string[]> {
  const manifest = await readManifest(root)
  const { external } = (manifest.tappet ?? {}) as { readonly external?: unknown }
  return Array.isArray(external) ? external.map(String) : []
}

const ASKED_HERE = Symbol('asked here')

/** Leaves `.node` files, packages that load one, and those named, where they are: a bundle cannot carry them. */
export const externalPackages = (names: readonly string[]): Plugin => ({
  name: 'external-packages',
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
        if (pluginData === ASKED_HERE || kind === 'entry-point' || path.startsWith('node:')) return null
        const found = await build.resolve(path, { kind, importer, resolveDir, pluginData: ASKED_HERE })
        if (found.errors.length > 0 || found.external) return null
        const external =
          names.some((name) => path === name || path.startsWith(`${name}/`)) ||
          found.path.endsWith('.node') ||
          (await isNative(packageFolder(found.path)))
        return external ? { path: found.path, external: true } : null
      },
    )
  },
})

/** `…/node_modules/@scope/name` of a path in it, or an empty text. */
export function packageFolder(path: string): string {
  return /^.*[\\/]node_modules[\\/](?:@[^\\/]+[\\/])?[^\\/]+/.exec(path)?.[0] ?? ''
}

async function readNative(folder: string): Promise<boolean> {
  if (folder === '') return false
  const manifest = await readManifest(folder)
  const needed = Object.keys({
    ...(manifest.dependencies as object),
    ...(manifest.optionalDependencies as object),
  })
  return FIELDS.some((field) => field in manifest) || needed.some((name) => LOADERS.includes(name))
}

/** An empty one where there is none, or it is broken. */
export async function readManifest(folder: string): Promise<Readonly<Record<string, unknown>>> {
  const text = await readFile(join(folder, 'package.json'), 'utf8').catch(() => '{}')
  try {
    return (JSON.parse(text) ?? {}) as Readonly<Record<string, unknown>>
  } catch {
    return {}
  }
}
