import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { connect, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { eventually } from './eventually.ts'

export interface RedisServer {
  readonly url: string
  /** Ends the process and removes its folder. Idempotent. */
  stop(): Promise<void>
}

export interface RedisServerOptions {
  /** Default: a free one. */
  readonly port?: number
  /** More of its command line. */
  readonly args?: readonly string[]
}

/** A Redis of our own on a free loopback port, keeping nothing; null when `redis-server` is not on PATH. */
export async function startRedis(options: RedisServerOptions = {}): Promise<RedisServer | null> {
  const binary = (process.env.PATH ?? '').split(delimiter).map((folder) => join(folder, 'redis-server'))
  const found = binary.find((path) => existsSync(path))
  if (found === undefined) return null
  const folder = await mkdtemp(join(tmpdir(), 'tappet-redis-'))
  const port = options.port ?? (await freePort())
  const args = [
    '--port',
    String(port),
    '--bind',
    '127.0.0.1',
    '--dir',
    folder,
    '--save',
    '',
    '--appendonly',
    'no',
    ...(options.args ?? []),
  ]
  const child = spawn(found, args, { stdio: 'ignore', detached: true })
  const gone = new Promise<void>((resolve) =>
    child.once('close', () => resolve()).once('error', () => resolve()),
  )
  child.unref()
  const stop = async (): Promise<void> => {
    child.ref()
    child.kill('SIGKILL')
    await gone
    await rm(folder, { recursive: true, force: true })
  }
  try {
    await eventually(() => answers(child, port), `redis-server on port ${port}`, 5_000)
  } catch (error) {
    await stop()
    throw error
  }
  return { url: `redis://127.0.0.1:${port}`, stop }
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer().once('error', reject)
    server.listen(0, '127.0.0.1', () => {
      const address = server.address()
      server.close(() => resolve(typeof address === 'object' && address !== null ? address.port : 0))
    })
  })
}

/** A PING that came back, if only to ask for a password; false as long as nobody listens. */
function answers(child: ChildProcess, port: number): Promise<boolean> {
  if (child.exitCode !== null) throw new Error(`redis-server ended with ${child.exitCode}`)
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1', () => socket.write('PING\r\n'))
    const answer = (ready: boolean): void => {
      socket.destroy()
      resolve(ready)
    }
    socket.once('data', (data) => answer(/^(\+PONG|-NOAUTH)/.test(data.toString())))
    socket.once('error', () => answer(false))
  })
}
