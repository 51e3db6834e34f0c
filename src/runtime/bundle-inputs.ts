import { stat } from 'node:fs/promises'
import { join } from 'node:path'

/** The files that a bundle was made of, and what they looked like then. */
export type Inputs = ReadonlyMap<string, string>

/** What decides how files are read and found, wherever it is used. */
const ALWAYS = ['package.json', 'tsconfig.json', 'package-lock.json']

/** A file dated so shortly before it was read may have been read as it was before. */
const DOUBTFUL_MS = 20

/** `paths` are relative to `root`, and were read after `begunMs`; `outputs` are what was made of them. */
export async function readInputs(
  root: string,
  paths: readonly string[],
  outputs: readonly string[],
  begunMs: number,
): Promise<Inputs> {
  const all = [...paths.filter((path) => !path.startsWith('<')), ...ALWAYS].map((path) => join(root, path))
  const sure = begunMs - DOUBTFUL_MS
  const looks = [...all.map((path) => look(path, sure)), ...outputs.map((path) => look(path))]
  const found = await Promise.all(looks)
  return new Map([...all, ...outputs].map((path, i) => [path, found[i] ?? 'none']))
}

/** Whether all files look as they did. Each file is looked at once. */
export function createInputsCheck(): (inputs: Inputs) => Promise<boolean> {
  const seen = new Map<string, Promise<string>>()
  return async (inputs) => {
    const same = await Promise.all(
      [...inputs].map(async ([path, before]) => {
        const now = seen.get(path) ?? look(path)
        seen.set(path, now)
        return (await now) === before
      }),
    )
    return same.every(Boolean)
  }
}

async function look(path: string, doubtfulFromMs = Infinity): Promise<string> {
  const found = await stat(path, { bigint: true }).catch(() => null)
  if (found !== null && Number(found.mtimeMs) >= doubtfulFromMs) return 'in doubt'
  return found === null ? 'none' : `${found.mtimeNs} ${found.ctimeNs} ${found.size} ${found.ino}`
}
