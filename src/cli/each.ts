import type { Cli } from './cli.ts'
import { CliError, EXIT, toCliError } from './errors.ts'
import { printable } from './text.ts'

interface Failed {
  readonly id: string
  readonly error: { readonly code: string; readonly message: string; readonly hint: string }
}

/**
 * Does something to each of several runs and tells how it went. One id alone fails as a command does; of several, those
 * that failed are listed, and the exit code is 10 when others succeeded.
 */
export async function forEachId<T>(
  cli: Cli,
  ids: readonly string[],
  work: (id: string) => Promise<T>,
  describe: (done: T) => string,
): Promise<number> {
  const [only] = ids
  if (ids.length === 1 && only !== undefined) {
    const done = await work(only)
    cli.show(done, () => describe(done))
    return EXIT.ok
  }
  const done: T[] = []
  const failed: (Failed & { readonly exitCode: number })[] = []
  for (const id of ids) {
    try {
      done.push(await work(id))
    } catch (thrown) {
      const { code, message, hint, exitCode } = toCliError(thrown)
      // What is wrong with the server is wrong for all of them.
      if (exitCode === EXIT.unreachable || exitCode === EXIT.auth)
        throw new CliError(code, message, { hint, exitCode })
      failed.push({ id, error: { code, message, hint }, exitCode })
    }
  }
  cli.show({ done, failed: failed.map(({ id, error }) => ({ id, error })) }, () =>
    done.map(describe).join('\n'),
  )
  for (const { id, error } of failed)
    cli.note(`${cli.paint.red('✖')} ${id} ${error.code} ${printable(error.message)}`)
  if (failed.length === 0) return EXIT.ok
  return done.length > 0 ? EXIT.partial : (failed[0]?.exitCode ?? EXIT.failed)
}
