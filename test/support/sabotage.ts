import { cp, readFile, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'

const REPOSITORY = join(import.meta.dirname, '..', '..')

export interface Edit {
  /** Under `dist/`. */
  readonly file: string
  readonly replace: string
  readonly by: string
}

/**
 * A copy of the built program with a promise broken on purpose: what a harness must notice. Its command line.
 *
 * @throws Error when a text to replace is not there any more.
 */
export async function sabotaged(folder: string, edits: readonly Edit[]): Promise<string> {
  await cp(join(REPOSITORY, 'dist'), join(folder, 'dist'), { recursive: true })
  for (const name of ['node_modules', 'migrations', 'package.json'])
    await symlink(join(REPOSITORY, name), join(folder, name))
  for (const { file, replace, by } of edits) {
    const path = join(folder, 'dist', file)
    const text = await readFile(path, 'utf8')
    if (!text.includes(replace)) throw new Error(`${file} must have: ${replace}`)
    await writeFile(
      path,
      text.replaceAll(replace, () => by),
    )
  }
  return join(folder, 'dist', 'cli', 'main.js')
}
