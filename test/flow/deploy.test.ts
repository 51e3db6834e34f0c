import assert from 'node:assert/strict'
import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createServer } from 'node:net'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { promisify } from 'node:util'
import { eventually } from '../support/eventually.ts'
import { makeProject } from '../support/project.ts'
import { testDatabase } from '../support/services.ts'

const ROOT = join(import.meta.dirname, '..', '..')
const HELLO = `import { defineFunction, http } from 'tappet'
export default defineFunction({ on: http.get('/hello', { wait: '5s' }) }, () => 'hello')
`
const run = promisify(execFile)

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  await new Promise((resolve) => server.close(resolve))
  return typeof address === 'object' && address ? address.port : 0
}

/** A JSON array after an instruction of the Dockerfile. */
function instruction(dockerfile: string, name: string): string[] {
  const [, list] = new RegExp(`^${name} .*?(\\[.*\\])$`, 'm').exec(dockerfile) ?? []
  assert.ok(list, name)
  return JSON.parse(list) as string[]
}

/** Starts `command` as a supervisor would, asks it something, and ends it with SIGTERM. */
async function servesAndStops(
  command: readonly string[],
  healthcheck: readonly string[] | null,
): Promise<void> {
  const project = await makeProject({ 'functions/hello.ts': HELLO })
  const database = await testDatabase()
  const port = String(await freePort())
  const dist = join(ROOT, 'dist', 'bin', 'tappet.js')
  const args = command.slice(1).map((arg) => (arg === 'dist/bin/tappet.js' ? dist : arg))
  const env = {
    ...{ PATH: process.env.PATH, HOME: process.env.HOME, TMPDIR: process.env.TMPDIR },
    ...{ NODE_ENV: 'production', HOST: '127.0.0.1', PORT: port, LOG_FORMAT: 'json' },
    ...{ DATABASE_URL: database.url, TAPPET_ADMIN_TOKEN: 'a-token-of-this-test-only' },
  }
  const child = spawn(process.execPath, args, { cwd: project.folder, env, stdio: 'ignore' })
  const exited = once(child, 'exit')
  try {
    const hello = async (): Promise<string> => (await fetch(`http://127.0.0.1:${port}/hello`)).text()
    await eventually(async () => (await hello()) === '"hello"', 'it serves', 30_000)
    if (healthcheck) await run(process.execPath, healthcheck.slice(1), { env })
    child.kill('SIGTERM')
    assert.deepEqual(await exited, [0, null])
    if (healthcheck) await assert.rejects(run(process.execPath, healthcheck.slice(1), { env }))
  } finally {
    child.kill('SIGKILL')
    await exited
    await database.drop()
    await project.remove()
  }
}

describe('the commands of deploy/', () => {
  test('the image: its entry point serves, its health check tells, SIGTERM ends it', async () => {
    const dockerfile = await readFile(join(ROOT, 'deploy', 'Dockerfile'), 'utf8')
    const [entry, args] = [instruction(dockerfile, 'ENTRYPOINT'), instruction(dockerfile, 'CMD')]
    await servesAndStops([...entry, ...args.slice(-1)], instruction(dockerfile, 'HEALTHCHECK'))
  })

  test('the systemd unit: its ExecStart serves', async () => {
    const unit = await readFile(join(ROOT, 'deploy', 'systemd', 'tappet.service'), 'utf8')
    const [, command = ''] = /^ExecStart=(.*)$/m.exec(unit) ?? []
    await servesAndStops(command.split(' '), null)
  })

  test('nginx takes its file', async (t) => {
    if (!(await isThere('nginx'))) return t.skip('no nginx on the PATH')
    const folder = await mkdtemp(join(tmpdir(), 'tappet-nginx-'))
    const file = join(folder, 'nginx.conf')
    const site = join(ROOT, 'deploy', 'proxy', 'nginx.conf')
    const temps = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(
      (name) => `${name}_temp_path ${folder}/${name};`,
    )
    const text = `pid ${folder}/pid; error_log stderr; events {} http { access_log off; ${temps.join(' ')} include ${site}; }`
    await writeFile(file, text)
    await run('nginx', ['-t', '-q', '-c', file, '-p', folder])
    await rm(folder, { recursive: true })
  })

  test('Caddy takes its file', async (t) => {
    if (!(await isThere('caddy'))) return t.skip('no caddy on the PATH')
    const file = join(ROOT, 'deploy', 'proxy', 'Caddyfile')
    await run('caddy', ['validate', '--adapter', 'caddyfile', '--config', file])
  })

  test('systemd takes its units', async (t) => {
    if (!(await isThere('systemd-analyze'))) return t.skip('no systemd-analyze on the PATH')
    const folder = await mkdtemp(join(tmpdir(), 'tappet-units-'))
    for (const name of ['tappet.service', 'tappet-worker@.service']) {
      const unit = await readFile(join(ROOT, 'deploy', 'systemd', name), 'utf8')
      // It looks for the program, which may be elsewhere here.
      await writeFile(join(folder, name), unit.replace('/usr/bin/node', process.execPath))
    }
    const { stderr } = await run('systemd-analyze', ['verify', '--man=no', join(folder, 'tappet.service')])
    const ours = stderr
      .split('\n')
      .filter((line) => line.includes('tappet') && !line.includes('is world-inaccessible'))
    assert.deepEqual(ours, [])
    await rm(folder, { recursive: true })
  })
})

async function isThere(program: string): Promise<boolean> {
  return run('sh', ['-c', `command -v ${program}`]).then(
    () => true,
    () => false,
  )
}
