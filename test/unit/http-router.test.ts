import assert from 'node:assert/strict'
import { describe, test } from 'node:test'

import { MAX_BODY_BYTES } from '../../src/triggers/http/check.ts'
import type { HttpTrigger } from '../../src/triggers/http/declare.ts'
import { buildRouter, type Match } from '../../src/triggers/http/router.ts'
import { signature } from '../../src/triggers/http/signatures.ts'
import type { Subscription } from '../../src/triggers/trigger.ts'
import { declared, subscribed } from '../support/http-trigger.ts'

type Declaration = ReturnType<typeof declared>

const noSecrets = (): undefined => undefined

function build(...triggers: readonly Declaration[]) {
  return buildRouter(
    triggers.map((trigger, at): Subscription<HttpTrigger> => subscribed(`f${at}`, trigger)),
    noSecrets,
  )
}

function found(match: Match): readonly [string, Record<string, string>] {
  assert.equal(match.kind, 'found')
  return [match.route.subscription.functionId, { ...match.params }]
}

describe('finding a route', () => {
  const { router, problems } = build(
    declared('post', '/orders'),
    declared('get', '/orders/:id'),
    declared('get', '/orders/open'),
    declared('delete', '/orders/:id'),
    declared('get', '/files/*'),
    declared('get', '/a/:x/b/:y'),
    declared('get', '/'),
    declared('get', '/größe'),
    declared('put', '/slash/'),
  )

  test('serves them all', () => assert.deepEqual(problems, []))

  test('by method and path, literal before parameter before wildcard', () => {
    assert.deepEqual(found(router.find('POST', '/orders')), ['f0', {}])
    assert.deepEqual(found(router.find('POST', '/orders?x=1')), ['f0', {}])
    assert.deepEqual(found(router.find('GET', '/orders/7')), ['f1', { id: '7' }])
    assert.deepEqual(found(router.find('GET', '/orders/open')), ['f2', {}])
    assert.deepEqual(found(router.find('DELETE', '/orders/open')), ['f3', { id: 'open' }])
    assert.deepEqual(found(router.find('GET', '/files/a/b.txt')), ['f4', { '*': 'a/b.txt' }])
    assert.deepEqual(found(router.find('GET', '/a/1/b/2')), ['f5', { x: '1', y: '2' }])
    assert.deepEqual(found(router.find('GET', '/')), ['f6', {}])
    assert.deepEqual(found(router.find('GET', '/gr%C3%B6%C3%9Fe')), ['f7', {}])
    assert.deepEqual(found(router.find('GET', 'http://host/orders/9')), ['f1', { id: '9' }])
  })

  test('decodes parameters once, and carries what is naughty', () => {
    const cases = {
      'a%2Fb': 'a/b',
      '%2525': '%25',
      '%00': '\0',
      __proto__: '__proto__',
      '%F0%9F%92%A9': '💩',
      'a+b': 'a+b',
    }
    for (const [sent, id] of Object.entries(cases)) {
      assert.deepEqual(found(router.find('GET', `/orders/${sent}`)), ['f1', { id }])
    }
  })

  test('case and a slash at the end matter', () => {
    for (const url of [
      '/Orders',
      '/orders/',
      '//orders',
      '/orders/1/2',
      '',
      'x',
      '/orders/%zz',
      '/orders/%',
    ]) {
      assert.equal(router.find('POST', url).kind === 'found', false, url)
    }
    assert.deepEqual(found(router.find('PUT', '/slash/')), ['f8', {}])
    assert.equal(router.find('GET', '/orders/').kind, 'none')
    assert.deepEqual(found(router.find('GET', '/files/')), ['f4', { '*': '' }])
    assert.equal(router.find('PUT', '/slash').kind, 'none')
  })

  test('a parameter holds 1,024 characters, not one more', () => {
    assert.equal(router.find('GET', `/orders/${'x'.repeat(1_024)}`).kind, 'found')
    assert.equal(router.find('GET', `/orders/${'x'.repeat(1_025)}`).kind, 'none')
  })

  test('says which methods a path has', () => {
    assert.deepEqual(router.find('PATCH', '/orders/7'), { kind: 'method', allow: ['GET', 'DELETE'] })
    for (const method of ['GET', 'HEAD', 'OPTIONS', 'TRACE', 'PROPFIND', '__proto__']) {
      assert.deepEqual(router.find(method, '/orders'), { kind: 'method', allow: ['POST'] })
    }
  })

  test('names the route that was probably meant', () => {
    const near = {
      '/order': 'POST /orders',
      '/Orders': 'POST /orders',
      '/orders/': 'POST /orders',
      '/ordres': 'POST /orders',
    }
    for (const [url, expected] of Object.entries(near)) {
      assert.deepEqual(router.find('POST', url), { kind: 'none', near: expected }, url)
    }
    assert.deepEqual(router.find('GET', '/fils/x'), { kind: 'none', near: 'GET /files/*' })
    assert.deepEqual(router.find('GET', '/order/7?x'), { kind: 'none', near: 'GET /orders/:id' })
    for (const url of ['/nothing/like/it', `/${'o'.repeat(300)}`, '/zzzzzz', '/f', '/oders7/1/b/2']) {
      assert.deepEqual(router.find('POST', url), { kind: 'none', near: null }, url)
    }
  })
})

describe('a route for any method', () => {
  const web = { web: true }
  const { router, problems } = build(
    declared('any', '/any'),
    declared('any', '/web/*', {}, web),
    declared('get', '/shown', {}, web),
    declared('get', '/plain'),
  )

  test('takes those that events are made of, and with a web handler the others, too', () => {
    assert.deepEqual(problems, [])
    const methods = ['GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'HEAD', 'OPTIONS', 'TRACE', 'CONNECT']
    const taken = (url: string): string[] =>
      methods.filter((method) => router.find(method, url).kind === 'found')
    assert.deepEqual(taken('/any'), methods.slice(0, 5))
    assert.deepEqual(taken('/web/x'), methods.slice(0, 7))
    assert.deepEqual(taken('/shown'), ['GET', 'HEAD'])
    assert.deepEqual(taken('/plain'), ['GET'])
    assert.deepEqual(router.find('POST', '/shown'), { kind: 'method', allow: ['GET', 'HEAD'] })
  })

  test('leaves none of them to another', () => {
    const [taken] = build(declared('any', '/x/:a'), declared('put', '/x/:b')).problems
    assert.match(taken?.message ?? '', /must be free, but f0 has ANY \/x\/:a/)
    const [other] = build(declared('put', '/x'), declared('any', '/x')).problems
    assert.match(other?.message ?? '', /must be free, but f0 has PUT \/x/)
  })
})

test('a wildcard does not answer for system routes, however they are written', () => {
  const { router, problems } = build(declared('get', '/*'), declared('get', '/:any'))
  assert.deepEqual(problems, [])
  for (const url of ['/_tappet', '/_tappet/runs/x', '/%5ftappet/x', '/healthz', '/readyz?x', '/%6detrics']) {
    assert.deepEqual(router.find('GET', url), { kind: 'none', near: null }, url)
  }
  assert.equal(router.find('GET', '/healthzz').kind, 'found')
})

describe('declarations that cannot be served', () => {
  const good = declared('get', '/good')

  function refused(trigger: Declaration): string {
    const { router, problems } = build(trigger, good)
    assert.equal(router.find('GET', '/good').kind, 'found')
    const [problem, ...more] = problems
    assert.deepEqual(more, [])
    assert.equal(problem?.functionId, 'f0')
    assert.equal(problem.label, trigger.label)
    return problem.message
  }

  test('a path that is none', () => {
    const paths = [
      '',
      'orders',
      '/a b',
      '/a//b',
      '/a/../b',
      '/./a',
      '/a?b',
      '/a#b',
      '/%41',
      '/a/:',
      '/a/:1',
      '/:a-:b',
      '/:a(\\d+)',
    ]
    const more = [
      '/:a.json',
      '/:__proto__',
      '/x*',
      '/*/b',
      '/a\n',
      '/a\0',
      '/:id/:id',
      '/{a}',
      '/"',
      `/${'x'.repeat(512)}`,
    ]
    for (const path of [...paths, ...more])
      assert.match(refused(declared('post', path)), /^`path` /, JSON.stringify(path))
    for (const path of [7, null, ['/a'], { a: 1 }]) {
      assert.match(refused(declared('post', '/x', {}, { path })), /`path` must start with '\/', got /)
    }
    const longest = build(declared('post', `/${'x'.repeat(511)}`))
    assert.deepEqual(longest.problems, [])
  })

  test('a path that the system has', () => {
    for (const path of ['/_tappet', '/_tappet/events', '/_tappetx', '/healthz', '/readyz', '/metrics']) {
      assert.match(refused(declared('post', path)), /system routes, got "\//)
    }
  })

  test('a route that is taken, whatever its parameters are called', () => {
    const { problems, router } = build(
      declared('post', '/a/:x'),
      declared('post', '/a/:y'),
      declared('get', '/a/:x'),
      declared('post', '/a/:x/b'),
    )
    assert.deepEqual(problems, [
      { functionId: 'f1', label: 'POST /a/:y', message: 'the route must be free, but f0 has POST /a/:x' },
    ])
    assert.deepEqual(found(router.find('POST', '/a/1')), ['f0', { x: '1' }])
    assert.deepEqual(found(router.find('GET', '/a/1')), ['f2', { x: '1' }])
  })

  test('a `wait` that is no duration or out of range', () => {
    for (const wait of ['5 s', '0s', '301s', '5m1s', '', '-1s', 5, {}, '1d']) {
      assert.match(
        refused(declared('post', '/x', {}, { wait })),
        /`wait` must be like '5s', from 1ms to 5m, got /,
      )
    }
    for (const wait of ['1ms', '5m', '300s'])
      assert.deepEqual(build(declared('post', '/x', {}, { wait })).problems, [])
  })

  test('a `maxBytes` out of range', () => {
    for (const maxBytes of [0, -1, 1.5, MAX_BODY_BYTES + 1, '1', {}]) {
      assert.match(refused(declared('post', '/x', {}, { maxBytes })), /`maxBytes` must be .* got /)
    }
    for (const maxBytes of [1, MAX_BODY_BYTES]) {
      assert.deepEqual(build(declared('post', '/x', { maxBytes })).problems, [])
    }
    const large = { maxBytes: MAX_BODY_BYTES + 1, web: true }
    assert.deepEqual(build(declared('post', '/x', {}, large)).problems, [])
    const verify = signature.github('SECRET')
    assert.match(refused(declared('post', '/x', { verify }, large)), /`maxBytes` must be /)
  })

  test('a method, header or verification that is none', () => {
    assert.match(
      refused(declared('post', '/x', {}, { method: 'HEAD' })),
      /`method` must be one of GET, .* got "HEAD"/,
    )
    assert.match(refused(declared('post', '/x', { headers: ['a b'] })), /`headers` .* got "a b"/)
    const hmac = signature.hmac('S', { header: '' })
    assert.match(refused(declared('post', '/x', { verify: hmac })), /`verify` must name a header, got ""/)
    const scheme = { ...hmac, scheme: 'md5' as 'hmac' }
    assert.match(
      refused(declared('post', '/x', { verify: scheme })),
      /`verify` must be one of standard, .* got "md5"/,
    )
    for (const secrets of [[], ['a=b'], ['']]) {
      const verify = { ...signature.github('S'), secrets }
      assert.match(refused(declared('post', '/x', { verify })), /`verify` must name environment variables/)
    }
  })

  test('a secret that is not set leaves the route closed, not open and not absent', () => {
    const { router, problems } = build(declared('post', '/hook', { verify: signature.github(['A', 'B']) }))
    assert.match(problems[0]?.message ?? '', /environment variable A or B, which is not set/)
    const match = router.find('POST', '/hook')
    assert.equal(match.kind === 'found' && match.route.verifier, 'unset')
  })
})

test('long paths and many routes do not hold anybody up', () => {
  const { router } = build(
    ...Array.from({ length: 500 }, (_, at) => declared('get', `/r${at}/:a/:b/x`)),
    declared('get', '/*'),
  )
  const started = performance.now()
  for (const url of [`/${'a/'.repeat(50_000)}`, `/${'%41'.repeat(30_000)}`, `/r1/${'x'.repeat(100_000)}`])
    router.find('POST', url)
  assert.ok(performance.now() - started < 5_000)
})
