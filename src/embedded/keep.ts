import type { Logger } from '../lib/log.ts'
import { startLoop } from '../lib/service.ts'
import { type EmbeddedOptions, type EmbeddedPostgres, startEmbeddedPostgres } from './postgres.ts'

const LOOK_EVERY_MS = 500

/**
 * Starts it, and again on the same port whenever it ends unasked, for example when the kernel kills it for want of
 * memory: nobody else would. `stop` is the end of both.
 *
 * @throws TappetError as `startEmbeddedPostgres`, from the first start only
 */
export async function keepEmbeddedPostgres(
  options: EmbeddedOptions,
  logger: Logger,
): Promise<EmbeddedPostgres> {
  const first = await startEmbeddedPostgres(options)
  const { port } = first
  let current = first
  const look = async (): Promise<void> => {
    if (await current.isThere()) return
    logger.warn({ folder: options.folder }, 'the embedded Postgres has ended; starting it again')
    current = await startEmbeddedPostgres({ ...options, port })
    logger.info({ port }, 'the embedded Postgres runs again')
  }
  const onError = (error: unknown): void =>
    logger.error({ error: String(error) }, 'the embedded Postgres does not start; trying again')
  const loop = startLoop(look, { everyMs: LOOK_EVERY_MS, onError })
  let stopped: Promise<void> | undefined
  return {
    ...first,
    isThere: () => current.isThere(),
    stop: () => (stopped ??= loop.stop().then(() => current.stop())),
  }
}
