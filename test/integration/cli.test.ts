import assert from 'node:assert/strict'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { openStateFolder } from '../../src/state-folder.ts'
import { type AdminServer, KEY, startAdmin } from '../support/admin.ts'
import { type Finished, runCli, spawnCli } from '../support/cli.ts'
import { eventually } from '../support/eventually.ts'
import { type TestDatabase, testDatabase } from '../support/services.ts'

describe('the command line', () => {
  let admin: AdminServer
  let database: TestDatabase
  let root: string

  before(async () => {
    database = await testDatabase()
    // It would win over the database of the running server.
    delete process.env.DATABASE_URL
    admin = await startAdmin()
    root = await mkdtemp(join(tmpdir(), 'tappet-cli-'))
    await mkdir(join(root, '.tappet'))
    await writeFile(join(root, '.tappet', 'admin.key'), KEY)
    const folder = await openStateFolder(join(root, '.tappet'))
    await folder.announce({ pid: process.pid, url: admin.url, databaseUrl: database.url })
  })
  after(async () => {
    await admin.close()
    await rm(root, { recursive: true })
    await database.drop()
  })

  const tappet = (...args: readonly string[]): Promise<Finished> => runCli([...args, '--cwd', root])
  const json = async (...args: readonly string[]) => {
    const { code, stdout, stderr } = await tappet(...args, '--json')
    assert.equal(stderr, '')
    return { code, value: JSON.parse(stdout) }
  }
  const over = (id: string) =>
    eventually(
      async () => ['completed', 'dead'].includes((await admin.store.run(id))?.state ?? ''),
      `${id} to be over`,
    )
  const deadRun = async (): Promise<string> => {
    const { value } = await json('send', 'emails', '-d', '{"fail":true}')
    await over(value.runs[0])
    return value.runs[0]
  }

  describe('help', () => {
    const verbs: readonly (readonly string[])[] = [
      ...[
        ['dev'],
        ['start'],
        ['migrate'],
        ['functions'],
        ['send'],
        ['invoke'],
        ['upload'],
        ['replay'],
        ['cancel'],
      ],
      ...[
        ['runs', 'list'],
        ['runs', 'show'],
        ['runs', 'tail'],
        ['dlq', 'list'],
        ['dlq', 'show'],
        ['dlq', 'replay'],
      ],
      ...[
        ['schedules', 'next'],
        ['db', 'diff'],
        ['db', 'apply'],
        ['db', 'query'],
        ['db', 'grants'],
        ['doctor'],
        ['explain'],
        ['version'],
        ['completion'],
        ['keys', 'create'],
        ['keys', 'list'],
        ['keys', 'revoke'],
      ],
      ...[
        ...[['init'], ['new'], ['status'], ['logs'], ['workers'], ['usage'], ['audit']],
        ...[
          ['events', 'list'],
          ['events', 'show'],
        ],
        ...[
          ['alerts', 'list'],
          ['alerts', 'test'],
          ['queues', 'list'],
          ['queues', 'pause'],
          ['queues', 'resume'],
        ],
        ...[
          ['bulk', 'list'],
          ['bulk', 'show'],
          ['bulk', 'stop'],
        ],
        ...[
          ['schedules', 'run'],
          ['schedules', 'backfill'],
        ],
      ],
    ]
    for (const verb of verbs) {
      it(`of ${verb.join(' ')} has examples that begin with it`, async () => {
        const { code, stdout, stderr } = await runCli([...verb, '--help'])
        assert.deepEqual([code, stderr], [0, ''])
        const shown = stdout.slice(stdout.indexOf('Examples:')).split('\n')
        assert.ok(
          shown.some((line) => line.includes(`npx tappet ${verb.join(' ')}`)),
          stdout,
        )
      })
    }

    it('is what no command prints', async () => {
      const { code, stdout } = await runCli([])
      assert.equal(code, 0)
      assert.match(stdout, /^Usage: tappet/)
      assert.match(stdout, /Exit codes:/)
    })
  })

  describe('mistakes', () => {
    const mistakes: readonly (readonly [string, RegExp, RegExp])[] = [
      ['xyzzy', /unknown command 'xyzzy'/, /--help/],
      ['rusn list', /unknown command 'rusn'/, /Did you mean runs\?/],
      ['runs lst', /unknown command 'lst'/, /Did you mean list\?/],
      ['dlq zzzzzz', /unknown command 'zzzzzz'/, /There is list, show, replay/],
      ['runs list --limt 3', /unknown option '--limt'/, /Did you mean --limit\?/],
      ['runs list --limit x', /whole number from 1 to 500/, /--help/],
      ['runs list --state done', /Allowed choices are accepted/, /--help/],
      ['send', /missing required argument 'queue'/, /--help/],
      ['send emails -d {', /--data: expected JSON/, /-d|--data/],
      ['send emails -d @nowhere.json', /@nowhere.json: ENOENT/, /path/],
      ['send emails --delay 10', /must be like '30s'/, /--help/],
      ['upload nowhere.png', /nowhere.png cannot be read \(ENOENT\)/, /path/],
      ['start --role boss', /all, http, triggers, worker/, /--help/],
      ['start --port 65536', /a port from 0 to 65535/, /--help/],
      ['--json', /expected a command/, /help/],
      ['dlq replay run_1 --limit 3', /ids and a filter/, /alone/],
      ['dlq replay --yes', /--yes needs/, /--function/],
    ]
    for (const [line, message, hint] of mistakes) {
      it(`says what is wrong with \`${line}\`, and ends with 2`, async () => {
        const { code, stdout, stderr } = await tappet(...line.split(' '))
        assert.deepEqual([code, stdout], [2, ''])
        assert.match(stderr, message)
        assert.match(stderr, hint)
      })
    }

    it('are explained, by their code, offline', async () => {
      const { code, stdout } = await runCli(['explain', 'timeout'])
      assert.equal(code, 0)
      assert.match(stdout, /^TPT_TIMEOUT  fault: author, retry: yes, status: 504\n/)
      assert.match(stdout, /Why it comes\n  - The function gave no result/)
      assert.deepEqual((await json('explain', 'TPT_CONFLICT')).value.status, 409)
      const unknown = await runCli(['explain', 'TPT_TIMOUT'])
      assert.equal(unknown.code, 5)
      assert.match(unknown.stderr, /Did you mean TPT_TIMEOUT\?/)
    })

    it('are told in two lines, or as JSON', async () => {
      const plain = await tappet('runs', 'show', 'run_x')
      assert.equal(plain.code, 5)
      assert.equal(
        plain.stderr,
        '✖ TPT_NOT_FOUND there is no run "run_x"\n  fix: Check the id. · npx tappet explain TPT_NOT_FOUND\n',
      )
      const { code, stdout, stderr } = await tappet('runs', 'show', 'run_x', '--json')
      assert.deepEqual([code, stdout], [5, ''])
      const error = { code: 'TPT_NOT_FOUND', message: 'there is no run "run_x"', hint: 'Check the id.' }
      assert.deepEqual(JSON.parse(stderr), { error })
    })
  })

  describe('finding the server', () => {
    it('says how to start one when there is none, and makes no folder', async () => {
      const empty = await mkdtemp(join(tmpdir(), 'tappet-cli-'))
      const { code, stderr } = await runCli(['functions', '--cwd', empty])
      await rm(empty, { recursive: false, maxRetries: 0 }).catch(() => rm(empty, { recursive: true }))
      assert.equal(code, 4)
      assert.match(stderr, /✖ TPT_UNAVAILABLE no Tappet is running/)
      assert.match(stderr, /npm run dev/)
    })

    it('takes a URL and a key, and tells a wrong key from a server that is gone', async () => {
      const away = ['functions', '--url', admin.url, '--cwd', tmpdir()]
      assert.equal((await runCli([...away, '--token', KEY])).code, 0)
      const wrong = await runCli([...away, '--token', 'wrong'])
      assert.equal(wrong.code, 6)
      assert.match(wrong.stderr, /TPT_UNAUTHORIZED/)
      assert.equal((await runCli(away)).code, 6)
      const gone = await runCli(['functions', '--url', 'http://127.0.0.1:1', '--cwd', tmpdir()])
      assert.equal(gone.code, 4)
      assert.match(gone.stderr, /cannot reach http:\/\/127.0.0.1:1/)
      assert.equal((await runCli(['functions', '--url', 'ftp://x', '--cwd', tmpdir()])).code, 3)
    })

    it('gives the key of the folder to the server of the folder only', async () => {
      const { code } = await tappet('functions', '--url', admin.url.replace('127.0.0.1', 'localhost'))
      assert.equal(code, 6)
    })

    it('knows a server that is no Tappet', async () => {
      const other = createServer((socket) =>
        socket.end('HTTP/1.1 200 OK\r\ncontent-type: text/html\r\n\r\n<p>'),
      )
      await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve))
      const { port } = other.address() as { port: number }
      const { code, stderr } = await runCli([
        'functions',
        '--url',
        `http://127.0.0.1:${port}`,
        '--cwd',
        tmpdir(),
      ])
      other.close()
      assert.equal(code, 4)
      assert.match(stderr, /expected a Tappet server/)
    })

    it('reads a file of variables for start only when it is named, and then it must be there', async () => {
      const { code, stderr } = await tappet('start', '--env-file', 'nowhere.env')
      assert.equal(code, 3)
      assert.match(stderr, /TPT_CONFIG_INVALID .*nowhere.env/)
    })

    it('reads .env and .env.local of the project', async () => {
      const folder = await mkdtemp(join(tmpdir(), 'tappet-cli-'))
      await writeFile(join(folder, '.env'), `TAPPET_URL=http://127.0.0.1:1\nTAPPET_TOKEN=${KEY}\n`)
      await writeFile(join(folder, '.env.local'), `TAPPET_URL=${admin.url}\n`)
      const { code } = await runCli(['functions', '--cwd', folder])
      await writeFile(join(folder, '.env.local'), 'PORT=abc\n')
      const bad = await runCli(['functions', '--cwd', folder])
      await rm(folder, { recursive: true })
      assert.equal(code, 0)
      assert.equal(bad.code, 3)
      assert.match(bad.stderr, /PORT must be a port number/)
    })
  })

  describe('trying', () => {
    it('sends messages: JSON, a file, stdin, with key and delay', async () => {
      const { code, value } = await json('send', 'emails', '-d', '{"to":"a@b.co"}', '--key', 'welcome-1')
      assert.equal(code, 0)
      assert.equal(value.id, 'welcome-1')
      assert.equal((await json('send', 'emails', '--key', 'welcome-1', '-d', '{}')).value.duplicate, true)
      await writeFile(join(root, 'mail.json'), '{"to":"file"}')
      const file = await json('send', 'emails', '-d', `@${join(root, 'mail.json')}`, '--delay', '1h')
      assert.equal((await admin.store.run(file.value.runs[0]))?.state, 'accepted')
      const piped = await runCli(['send', 'emails', '-d', '-', '--cwd', root], '{"to":"stdin"}')
      assert.match(piped.stdout, /^accepted msg_\w+ → run_\w+\n$/)
      const nobody = await tappet('send', 'nobody')
      assert.match(nobody.stdout, /→ no run/)
      assert.match(nobody.stderr, /No function listens/)
      const refused = await tappet('send', 'emails', '-d', '{"to":1}')
      assert.equal(refused.code, 3)
      assert.match(refused.stderr, /TPT_EVENT_INVALID .*\/data\/to/)
    })

    it('invokes: at once, with the result, failed, and too slow', async () => {
      const accepted = await tappet('invoke', 'mail/send', '-d', '{}')
      assert.deepEqual([accepted.code, /^accepted run_\w+\n$/.test(accepted.stdout)], [0, true])
      const done = await tappet('invoke', 'orders/place', '-d', '{"id":"o1"}', '--wait')
      assert.equal(done.code, 0)
      assert.deepEqual(JSON.parse(done.stdout).placed, { id: 'o1', total: 1 })
      const failed = await tappet('invoke', 'mail/send', '-d', '{"fail":true}', '--wait', '5s')
      assert.deepEqual([failed.code, failed.stdout], [8, ''])
      assert.match(failed.stderr, /dead: FatalError mailbox 42/)
      const late = await json('invoke', 'mail/send', '-d', '{"slow":true}', '--wait', '50ms')
      assert.deepEqual([late.code, late.value.state], [9, 'accepted'])
      assert.equal((await tappet('cancel', late.value.run)).stdout, `cancelled ${late.value.run}\n`)
      assert.match((await tappet('invoke', 'orders/plaec')).stderr, /did you mean orders\/place\?/)
    })

    it('uploads a file', async () => {
      const file = join(root, 'me.txt')
      await writeFile(file, 'hello')
      const { code, value } = await json('upload', file, '--to', 'avatars/42/my file.txt')
      assert.equal(code, 0)
      assert.deepEqual([value.key, value.size, value.runs.length], ['avatars/42/my file.txt', 5, 1])
      assert.equal((await tappet('upload', root)).code, 2)
    })
  })

  describe('looking', () => {
    it('lists functions with every trigger, and what is broken', async () => {
      const { stdout } = await tappet('functions')
      assert.match(stdout, /^FUNCTION +ON +RETRIES$/m)
      assert.match(stdout, /^orders\/place +http +POST \/orders +3 attempts$/m)
      assert.match(stdout, /^ +queue +orders$/m)
      assert.match(stdout, /^✖ functions\/broken.ts: does not compile$/m)
      assert.equal((await json('functions')).value.functions.length, 5)
    })

    it('lists runs by state, and shows one', async () => {
      const id = await deadRun()
      const { stdout } = await tappet('runs', '--state', 'dead', '-n', '1')
      assert.match(stdout, new RegExp(`^${id} +mail/send +✖ dead +1/1 .* mailbox 42`, 'm'))
      const shown = (await tappet('runs', 'show', id)).stdout
      for (const part of [
        /✖ dead/,
        /payload +\{"fail":true\}/,
        /FatalError: mailbox 42/,
        /sending/,
        /tappet replay/,
      ])
        assert.match(shown, part)
      assert.equal((await json('runs', 'show', id)).value.run.id, id)
      assert.equal((await tappet('runs', 'list', '--function', 'nobody')).stdout, 'no runs\n')
    })

    it('tells when schedules are due', async () => {
      const { stdout } = await tappet('schedules', 'next', 'reports/nightly', '-n', '2')
      assert.match(stdout, /Sat 27 Mar 2027 03:00 CET .*\n.*Sun 28 Mar 2027 03:00 CEST/)
      assert.match(
        stdout,
        /missed 2 at 2027-03-25T02:00:00.000Z to 2027-03-26T02:00:00.000Z, 1 of them made up for\n$/,
      )
      assert.equal((await json('schedules')).value.schedules[0].next.length, 5)
      assert.equal((await tappet('schedules', 'next', 'orders/place')).code, 5)
    })

    it('checks its house', async () => {
      const { code, value } = await json('doctor')
      assert.deepEqual([code, value.ok], [0, true])
      const limits = value.checks.find(({ name }: { name: string }) => name === 'limits')
      assert.match(
        limits.detail,
        /^memory and processes of functions are counted; no control groups: .|^control groups /,
      )
      admin.checks = [{ name: 'postgres', ok: false, detail: 'gone', fix: 'start it' }]
      const ill = await tappet('doctor')
      const stranger = await runCli(['doctor', '--url', admin.url, '--cwd', tmpdir()])
      admin.checks = []
      assert.equal(ill.code, 1)
      assert.match(ill.stdout, /✖ postgres +gone\n {2}fix: start it/)
      assert.match(stranger.stdout, /✖ postgres +more with an admin key\n/)
      assert.equal((await runCli(['doctor', '--cwd', tmpdir()])).code, 4)
      assert.match((await json('version')).value.version, /^\d+\.\d+\.\d+/)
    })
  })

  describe('keys', () => {
    it('are made, listed and revoked', async () => {
      const made = await tappet('keys', 'create', 'shop', '--scope', 'ingest,read', '--expires', '90d')
      assert.equal(made.code, 0)
      assert.match(made.stdout, /^tpt_[\w-]{43}\n$/)
      assert.match(made.stderr, /^key_\w+: ingest, read, until \d{4}-.* not shown again/)
      const { value } = await json('keys', 'list')
      const { id } = value.keys[0]
      assert.match(
        (await tappet('keys')).stdout,
        new RegExp(`${id} +live +ingest,read +\\d+s +never +20\\d\\d-.* shop`),
      )
      const key = made.stdout.trim()
      assert.equal((await tappet('runs', '--token', key)).code, 0)
      const refused = await tappet('replay', 'run_x', '--token', key)
      assert.deepEqual([refused.code, refused.stderr.includes('TPT_FORBIDDEN')], [6, true])
      assert.equal((await tappet('keys', 'revoke', id)).stdout, `revoked ${id} shop\n`)
      assert.equal((await tappet('keys', 'revoke', 'key_none')).code, 5)
      assert.equal((await json('keys')).value.keys[0].state, 'revoked')
    })

    it('are not made without a scope that there is', async () => {
      assert.equal((await tappet('keys', 'create', 'shop')).code, 2)
      assert.match(
        (await tappet('keys', 'create', 'shop', '--scope', 'root')).stderr,
        /Allowed are admin, operate/,
      )
      assert.equal((await tappet('keys', 'create', 'shop', '--scope', 'read', '--expires', 'soon')).code, 3)
    })
  })

  describe('fixing', () => {
    it('replays one, some of several, and with other data', async () => {
      const id = await deadRun()
      assert.equal((await tappet('replay', id)).stdout, `replayed ${id}\n`)
      await over(id)
      const some = await tappet('replay', id, 'run_x')
      assert.equal(some.code, 10)
      assert.match(some.stderr, /✖ run_x TPT_NOT_FOUND/)
      assert.equal((await tappet('replay', 'run_x', 'run_y')).code, 5)
      const edited = await json('replay', id, '--edit', '{"to":"b@b.co"}')
      await over(edited.value.run)
      assert.notEqual(edited.value.run, id)
      const again = await tappet('replay', edited.value.run)
      assert.equal(again.code, 7)
      assert.match(again.stderr, /is completed/)
      assert.equal((await tappet('cancel', edited.value.run)).code, 7)
    })

    it('replays dead letters only when it may', async () => {
      await deadRun()
      await deadRun()
      assert.match(
        (await tappet('dlq', '--group')).stdout,
        /mail\/send +\d+ +\d+s +run_\w+ +FatalError: mailbox # of … is full/,
      )
      const dry = await json('dlq', 'replay', '--function', 'mail/send', '--limit', '1', '--dry-run')
      assert.equal(dry.value.wouldReplay, 1)
      const unasked = await tappet('dlq', 'replay', '--function', 'mail/send')
      assert.equal(unasked.code, 2)
      assert.match(unasked.stderr, /fix: Add --yes/)
      assert.equal((await json('dlq', 'replay', '--limit', '1', '--yes')).value.replayed.length, 1)
      assert.equal((await tappet('dlq', 'replay', '--function', 'nobody')).code, 0)
      assert.equal((await tappet('dlq', 'list', '--function', 'nobody')).stdout, 'no dead letters\n')
    })
  })

  describe('the database', () => {
    it('is migrated once', async () => {
      assert.equal((await tappet('migrate', '--status')).code, 1)
      const { value } = await json('migrate')
      assert.ok(value.applied.includes('ledger/0001_ledger.sql'))
      assert.deepEqual((await json('migrate', '--status')).value, { pending: [] })
      assert.equal((await tappet('migrate')).stdout, 'up to date\n')
    })

    it('answers queries', async () => {
      await tappet('db', 'query', 'create table orders (id int primary key, note text, at timestamptz)')
      const insert = await tappet(
        'db',
        'query',
        `insert into orders values (1, e'a\\nb\\x1b', '2026-11-23Z'), (2, null, null)`,
      )
      assert.equal(insert.stdout, 'INSERT 2\n')
      const { stdout } = await tappet('db', 'query', 'select * from orders order by id')
      assert.equal(stdout, `id  note        at\n1   a\\nb\\u001b  2026-11-23T00:00:00.000Z\n2\n(2 rows)\n`)
      const { value } = await json('db', 'query', 'select 1 as one; select true as yes')
      assert.deepEqual(
        value.map(({ rows }: { rows: unknown }) => rows),
        [[{ one: 1 }], [{ yes: true }]],
      )
      const wrong = await tappet('db', 'query', 'selec 1')
      assert.deepEqual([wrong.code, wrong.stdout], [1, ''])
      assert.match(wrong.stderr, /TPT_QUERY_FAILED syntax error at or near "selec" at character 1 \(42601\)/)
      const other = await tappet('db', 'query', 'select 1', '--database', 'TAPPET_NOT_SET')
      assert.equal(other.code, 3)
    })

    it('gets the triggers that functions declare', async () => {
      const before = await tappet('db', 'diff')
      assert.equal(before.code, 1)
      assert.match(before.stdout, /^\+ public.orders trigger tappet_\w+_update \(UPDATE\)$/m)
      const applied = await json('db', 'apply')
      assert.deepEqual([applied.code, applied.value.applied.length, applied.value.failed], [0, 1, []])
      assert.equal((await tappet('db', 'diff')).stdout, 'nothing to do\n')
      await tappet(
        'db',
        'query',
        'create trigger t after update on orders for each row execute function suppress_redundant_updates_trigger()',
      )
      assert.equal((await tappet('db', 'diff')).code, 0)
    })
  })

  describe('as a process', () => {
    it('follows runs as JSON lines until Ctrl-C, which is 130', async () => {
      const tail = spawnCli(['runs', 'tail', '--json', '--cwd', root])
      const states = () =>
        tail
          .output()
          .trim()
          .split('\n')
          .filter(Boolean)
          .map((line) => JSON.parse(line) as { id: string; state: string })
      const id = await eventually(
        async () => {
          const sent = await deadRun()
          return states().some((run) => run.state === 'dead') ? sent : null
        },
        'a line',
        20_000,
      )
      assert.ok(id)
      tail.child.kill('SIGINT')
      assert.equal((await tail.ended).code, 130)
    })

    it('ends with 143 when terminated, and reads stdin', async () => {
      const waiting = spawnCli(['send', 'emails', '-d', '-', '--cwd', root])
      const sent = spawnCli(['send', 'emails', '-d', '-', '--cwd', root])
      sent.child.stdin?.end('{}')
      assert.match((await sent.ended).stdout, /^accepted/)
      // More than a pipe holds: it is written when somebody reads.
      await new Promise((resolve) => waiting.child.stdin?.write(' '.repeat(500_000), resolve))
      waiting.child.kill('SIGTERM')
      assert.equal((await waiting.ended).code, 143)
    })

    it('takes its server from the environment, and ends with the code of the error', async () => {
      const environment = { TAPPET_URL: admin.url, TAPPET_TOKEN: KEY }
      const good = spawnCli(['functions', '--json', '--cwd', tmpdir()], environment)
      const bad = spawnCli(['functions', '--cwd', tmpdir()], { ...environment, TAPPET_TOKEN: 'no' })
      assert.equal(JSON.parse((await good.ended).stdout).functions.length, 5)
      assert.deepEqual([(await good.ended).code, (await bad.ended).code], [0, 6])
    })

    it('does not mind a reader who has gone', async () => {
      const cut = spawnCli(['--help'])
      cut.child.stdout?.destroy()
      const { code, stderr } = await cut.ended
      assert.deepEqual([code, stderr], [0, ''])
    })
  })
})
