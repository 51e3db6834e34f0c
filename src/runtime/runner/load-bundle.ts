import { readFileSync, renameSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { basename, dirname, join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { constants, Script } from 'node:vm'
import type { ModuleExports } from './web-module.ts'

export interface LoadedBundle {
  readonly exports: ModuleExports
  /** Writes down what V8 has compiled so far, for the next process; does nothing if that was there already. */
  keepCode(): void
}

const WRAPPER = '(function (exports, require, module, __filename, __dirname) {'

/**
 * Imports a bundle; with the code that V8 made of it before, if that is there and of this V8. `text` is what is in it, where
 * its file cannot be read.
 */
export async function loadBundle(path: string, text: string | null = null): Promise<LoadedBundle> {
  if (!path.endsWith('.cjs')) return importModule(path, text)
  if (text !== null) return { exports: evaluate(compile(path, text, null), path), keepCode: () => undefined }
  const cachePath = codeCachePath(path)
  const cachedData = readCode(cachePath)
  const script = compile(path, readFileSync(path, 'utf8'), cachedData)
  let kept = cachedData !== null && script.cachedDataRejected === false
  return {
    exports: evaluate(script, path),
    keepCode() {
      if (!kept) writeCode(cachePath, script.createCachedData())
      kept = true
    },
  }
}

function compile(path: string, text: string, cachedData: Buffer | null): Script {
  return new Script(`${WRAPPER}${text}\n})`, {
    filename: path,
    columnOffset: -WRAPPER.length,
    importModuleDynamically: constants.USE_MAIN_CONTEXT_DEFAULT_LOADER,
    ...(cachedData && { cachedData }),
  })
}

/** Node imports modules from files only. */
async function importModule(path: string, text: string | null): Promise<LoadedBundle> {
  const file = text === null ? path : join(tmpdir(), basename(path))
  if (text !== null) writeFileSync(file, text)
  const exports = (await import(pathToFileURL(file).href)) as ModuleExports
  return { exports, keepCode: () => undefined }
}

/** What another version of Node, or another machine, has compiled lies beside it. */
function codeCachePath(path: string): string {
  return `${path}.${process.version}-${process.arch}.cache`
}

function evaluate(script: Script, path: string): ModuleExports {
  const module: { exports: unknown } = { exports: {} }
  const run = script.runInThisContext() as (...args: unknown[]) => void
  run.call(module.exports, module.exports, createRequire(path), module, path, dirname(path))
  const { exports } = module
  const isEsModule = typeof exports === 'object' && exports !== null && '__esModule' in exports
  // A file that is a CommonJS module itself exports its definition as a whole.
  return isEsModule ? (exports as LoadedBundle['exports']) : { default: exports }
}

const SUM_BYTES = 4

/** V8 trusts what it is given: half a file must not reach it. */
function readCode(path: string): Buffer | null {
  try {
    const bytes = readFileSync(path)
    const code = bytes.subarray(SUM_BYTES)
    return sumOf(code) === bytes.readUInt32LE(0) ? code : null
  } catch {
    return null
  }
}

function sumOf(code: Buffer): number {
  // At the top of the file it would be loaded by processes that have no use for it.
  return process.getBuiltinModule('node:zlib').crc32(code)
}

function writeCode(path: string, code: Buffer): void {
  const sum = Buffer.alloc(SUM_BYTES)
  sum.writeUInt32LE(sumOf(code))
  try {
    const temporary = `${path}.${process.pid}.tmp`
    writeFileSync(temporary, Buffer.concat([sum, code]))
    renameSync(temporary, path)
  } catch {
    // The next start is slower: no more.
  }
}
