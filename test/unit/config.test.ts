import assert from 'node:assert/strict'
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, it } from 'node:test'
import { readConfig } from '../../src/config.ts'
import { openStateFolder } from '../../src/state-folder.ts'

describe('configuration', () => {
  it('has defaults for everything, on loopback', () => {
    const config = readConfig({})
    assert.deepEqual(
      [config.host, config.port, config.databaseUrl, config.redisUrl],
      ['127.0.0.1', 4400, null, null],
    )
    assert.deepEqual(config.roles, ['http', 'triggers', 'worker'])
  })

  it('opens the metrics only when it is told to', () => {
    assert.equal(readConfig({}).openMetrics, false)
    assert.equal(readConfig({ TAPPET_METRICS: 'public' }).openMetrics, true)
  })

  it('takes an empty variable as one that is not set', () => {
    assert.equal(readConfig({ DATABASE_URL: '', PORT: '' }).port, 4400)
  })

  describe('secrets in files', () => {
    let folder: string
    beforeEach(async () => {
      folder = await mkdtemp(join(tmpdir(), 'tappet-secrets-'))
      await writeFile(join(folder, 'url'), 'postgres://a:b@c/d\n')
      await writeFile(join(folder, 'pem'), 'one\ntwo\r\n')
    })
    afterEach(() => rm(folder, { recursive: true }))

    it('are read where NAME_FILE names one, without the last line break', async () => {
      const config = readConfig({ DATABASE_URL_FILE: join(folder, 'url'), PEM_FILE: join(folder, 'pem') })
      assert.equal(config.databaseUrl, 'postgres://a:b@c/d')
      assert.equal(config.variable('PEM'), 'one\ntwo')
      await rm(join(folder, 'pem'))
      assert.equal(config.variable('PEM'), 'one\ntwo', 'read once')
      assert.equal(config.variable('OTHER'), undefined)
    })

    it('lose to the variable itself; an empty name of a file is none', () => {
      const config = readConfig({ A: 'a', A_FILE: join(folder, 'pem'), B_FILE: '' })
      assert.deepEqual([config.variable('A'), config.variable('B')], ['a', undefined])
    })

    it('that cannot be read are named; others are not looked at', () => {
      const missing = join(folder, 'missing')
      const message = /^environment variable REDIS_URL_FILE must be the path .*missing \(ENOENT\)$/
      assert.throws(() => readConfig({ REDIS_URL_FILE: missing }), { code: 'TPT_CONFIG_INVALID', message })
      const config = readConfig({ SSL_CERT_FILE: missing, A_FILE: folder })
      assert.throws(() => config.variable('A'), /A_FILE must be the path .*\(EISDIR\)/)
    })

    it('are checked like any other, and not shown', async () => {
      await writeFile(join(folder, 'url'), 'canary://x')
      const wrong = { code: 'TPT_CONFIG_INVALID', message: /^(?!.*canary).*DATABASE_URL must be a URL/ }
      assert.throws(() => readConfig({ DATABASE_URL_FILE: join(folder, 'url') }), wrong)
    })
  })

  it('lets the command line win', () => {
    assert.equal(readConfig({ PORT: '1' }, { port: 2 }).port, 2)
  })

  it('names each variable that is wrong, what was expected and what came', () => {
    const cases: readonly (readonly [Record<string, string>, RegExp])[] = [
      [{ PORT: 'x' }, /PORT must be a port number, 0 to 65535, got "x"/],
      [{ PORT: '70000' }, /PORT .*65535.*got "70000"/],
      [{ TAPPET_ROLES: 'cook' }, /TAPPET_ROLES .*"http".*got "cook"/],
      [{ TAPPET_METRICS: 'open' }, /TAPPET_METRICS .*"key"\|"public".*got "open"/],
      [{ TAPPET_RETENTION: '1h' }, /TAPPET_RETENTION must be at least 96h.*got "1h"/],
      [{ TAPPET_SHUTDOWN_TIMEOUT: 'soon' }, /must be like '30s', got "soon"/],
    ]
    for (const [environment, message] of cases) {
      assert.throws(() => readConfig(environment), { code: 'TPT_CONFIG_INVALID', message })
    }
  })

  it('G2, G3: takes each variable up to its limits, and not beyond', () => {
    const limits: readonly (readonly [string, readonly string[], readonly string[]])[] = [
      ['PORT', ['0', '65535'], ['-1', '65536', '1.5']],
      ['TAPPET_CONCURRENCY', ['1', '1000'], ['0', '1001']],
      ['TAPPET_ADMIN_TOKEN', ['x'.repeat(20)], ['x'.repeat(19)]],
      ['TAPPET_RETENTION', ['96h'], ['95.9h']],
      ['TAPPET_DEAD_RETENTION', ['30d'], ['29.9d']],
      ['TAPPET_PROJECT', ['p', 'p'.repeat(40)], ['p'.repeat(41), 'p p']],
      ['TAPPET_REDIS_PREFIX', ['{p}', 'p'.repeat(40)], ['p'.repeat(41), 'p:']],
    ]
    for (const [name, good, bad] of limits) {
      for (const value of good) assert.ok(readConfig({ [name]: value }), `${name}=${value}`)
      for (const value of bad)
        assert.throws(() => readConfig({ [name]: value }), { code: 'TPT_CONFIG_INVALID' }, `${name}=${value}`)
    }
  })

  it('tells nobody of alerts unless it is said whom', () => {
    assert.equal(readConfig({ TAPPET_ALERT_EVERY: '1s' }).alerts, null)
    const alerts = readConfig({
      TAPPET_ALERT_SLACK_URL: 'https://hooks.slack.com/x',
      TAPPET_ALERT_ALLOW_HOSTS: 'a, b:1,',
    }).alerts
    assert.deepEqual([alerts?.slack, alerts?.allowHosts], ['https://hooks.slack.com/x', ['a', 'b:1']])
    assert.deepEqual([alerts?.webhook, alerts?.mail], [null, null])
    for (const half of [{ TAPPET_ALERT_MAIL_TO: 'a@b.co' }, { TAPPET_ALERT_SMTP_URL: 'smtp://x' }])
      assert.throws(() => readConfig(half), { code: 'TPT_CONFIG_INVALID', message: /needs both/ })
    const short = { TAPPET_ALERT_WEBHOOK_SECRET: 'hunter2' }
    assert.throws(
      () => readConfig(short),
      ({ message }: Error) => !message.includes('hunter2'),
    )
  })

  it('does not show a secret in a message', () => {
    const wrong = { DATABASE_URL: 'mysql://root:hunter2@db/x', TAPPET_ADMIN_TOKEN: 'hunter2' }
    assert.throws(
      () => readConfig(wrong),
      ({ message }: Error) => message.includes('DATABASE_URL') && !message.includes('hunter2'),
    )
  })
})

describe('the state folder', () => {
  let folder: string
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'tappet-state-'))
  })
  afterEach(() => rm(folder, { recursive: true }))

  it('makes the key once, for its owner alone', async () => {
    const state = await openStateFolder(join(folder, '.tappet'))
    const key = await state.adminKey()
    assert.match(key, /^tpt_[\w-]{43}$/)
    assert.equal(await (await openStateFolder(state.path)).adminKey(), key)
    assert.equal((await stat(join(state.path, 'admin.key'))).mode & 0o777, 0o600)
  })

  it('lets one process in, and heals the lock of a dead one', async () => {
    const state = await openStateFolder(folder)
    await state.lock()
    await assert.rejects((await openStateFolder(folder)).lock(), { code: 'TPT_ALREADY_RUNNING' })
    await state.release()
    await writeFile(join(folder, 'lock'), JSON.stringify({ pid: 2 ** 22 + 1, started: null }))
    await state.lock()
    await state.release()
    await writeFile(join(folder, 'lock'), 'half a line')
    await state.lock()
    await state.release()
  })

  it(
    'is not fooled by a process that has the pid of a dead one',
    { skip: process.platform !== 'linux' && 'needs /proc' },
    async () => {
      const state = await openStateFolder(folder)
      await writeFile(join(folder, 'lock'), JSON.stringify({ pid: process.pid, started: '1' }))
      await state.lock()
      assert.match(await readFile(join(folder, 'lock'), 'utf8'), new RegExp(`"pid":${process.pid}`))
    },
  )

  it('lets one in of many that come at once, also over the lock of a dead one', async () => {
    for (let round = 0; round < 20; round++) {
      if (round > 0)
        await writeFile(join(folder, 'lock'), JSON.stringify({ pid: 2 ** 22 + round, started: null }))
      const states = await Promise.all(Array.from({ length: 8 }, () => openStateFolder(folder)))
      const locked = await Promise.allSettled(states.map((state) => state.lock()))
      assert.equal(locked.filter(({ status }) => status === 'fulfilled').length, 1)
    }
    assert.deepEqual((await readdir(folder)).toSorted(), ['.gitignore', 'lock'])
  })

  it('makes one key for all that start at once', async () => {
    const states = await Promise.all(Array.from({ length: 8 }, () => openStateFolder(folder)))
    const keys = await Promise.all(states.map((state) => state.adminKey()))
    assert.deepEqual([...new Set(keys)], [(await readFile(join(folder, 'admin.key'), 'utf8')).trim()])
  })

  it('announces who runs, and forgets who is gone', async () => {
    const state = await openStateFolder(folder)
    assert.equal(await state.running(), null)
    const running = { pid: process.pid, url: 'http://127.0.0.1:1', databaseUrl: 'postgres://x' }
    await state.announce(running)
    assert.deepEqual(await state.running(), running)
    await state.withdraw()
    assert.equal(await state.running(), null)
    await state.announce({ ...running, pid: 2 ** 22 + 1 })
    assert.equal(await state.running(), null)
    await state.withdraw()
    assert.match(await readFile(join(folder, 'running.json'), 'utf8'), /"pid":4194305/, 'that is not ours')
  })
})
