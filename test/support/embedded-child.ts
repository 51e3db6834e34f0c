import { startEmbeddedPostgres } from '../../src/embedded/postgres.ts'
import { query } from './embedded.ts'

/**
 * Starts an embedded Postgres in the folder given as argument and tells about it on one line. At SIGINT it shows that
 * the server still answers, stops it and ends.
 */
const [folder = ''] = process.argv.slice(2)
const progress: string[] = []

try {
  const postgres = await startEmbeddedPostgres({ folder, onProgress: (message) => progress.push(message) })
  const { url, port, origin } = postgres
  const heartbeat = setInterval(() => undefined, 60_000)
  const end = async (): Promise<void> => {
    const [row] = await query(url, `select 'still here' as answer`)
    await postgres.stop()
    console.log((row as { answer: string }).answer)
    clearInterval(heartbeat)
  }
  process.once('SIGINT', () => void end())
  console.log(JSON.stringify({ url, port, origin, progress }))
} catch (error) {
  const { code, message } = error as { code?: string; message: string }
  console.log(JSON.stringify({ code, message, progress }))
}
