// Preloaded into the server under test, not part of it: answers on a Unix socket how long its event loop was held up
// since it was last asked, and how much memory it has.
import { createServer } from 'node:net'

const path = process.env.BAD_INPUT_MONITOR
if (path && process.argv[1]?.endsWith('tappet.js')) {
  const EVERY_MS = 5
  let last = performance.now()
  let lastCpu = process.cpuUsage()
  let worst = { wallMs: 0, cpuMs: 0 }
  setInterval(() => {
    const now = performance.now()
    const { user, system } = process.cpuUsage(lastCpu)
    const wallMs = now - last - EVERY_MS
    if (wallMs > worst.wallMs) worst = { wallMs, cpuMs: Math.min(wallMs, (user + system) / 1_000) }
    last = now
    lastCpu = process.cpuUsage()
  }, EVERY_MS).unref()
  const server = createServer((socket) => {
    socket.on('error', () => undefined)
    socket.end(JSON.stringify({ ...worst, rssBytes: process.memoryUsage.rss() }))
    worst = { wallMs: 0, cpuMs: 0 }
  })
  server.listen(path)
  server.unref()
}
