import assert from 'node:assert/strict'
import type { IncomingHttpHeaders } from 'node:http'
import { describe, test } from 'node:test'

import fc from 'fast-check'

import { MAX_JSON_DEPTH } from '../../src/lib/json.ts'
import { normalize, readContent } from '../../src/triggers/http/normalize.ts'
import { signature } from '../../src/triggers/http/signatures.ts'
import { declared } from '../support/http-trigger.ts'

const JSON_TYPE = 'application/json'
const FORM = 'application/x-www-form-urlencoded'

const read = (type: string | undefined, body: string | Buffer) =>
  readContent(type, Buffer.from(body as string))

describe('a JSON body', () => {
  test('is what it says', () => {
    for (const type of [
      JSON_TYPE,
      'APPLICATION/JSON ; charset="UTF-8"',
      'application/vnd.api+json',
      'application/json;charset=utf8',
    ]) {
      assert.deepEqual(
        read(type, ' {"a":[1,null,"ü"]} '),
        { data: { a: [1, null, 'ü'] }, encoding: 'json' },
        type,
      )
    }
    assert.deepEqual(read(JSON_TYPE, 'null'), { data: null, encoding: 'json' })
    assert.deepEqual(read(JSON_TYPE, ''), { data: null, encoding: 'none' })
  })

  test('that is malformed is refused', () => {
    const nearly = [
      '{',
      '{"a":1,}',
      "{'a':1}",
      'NaN',
      'undefined',
      ' ',
      '01',
      '"\u0001"',
      '[1]]',
      '\ufeff',
      '{"a":1}x',
      '\0',
    ]
    for (const text of nearly)
      assert.throws(() => read(JSON_TYPE, text), { code: 'TPT_BODY_INVALID', status: 400 }, text)
    for (const bytes of [
      [0x22, 0xff, 0x22],
      [0x22, 0xc0, 0xaf, 0x22],
      [0x22, 0xed, 0xa0, 0x80, 0x22],
    ]) {
      assert.throws(() => read(JSON_TYPE, Buffer.from(bytes)), { code: 'TPT_BODY_INVALID' })
    }
  })

  test('may begin with a byte order mark, which is left out', () => {
    assert.deepEqual(read(JSON_TYPE, '\ufeff{"a":1}').data, { a: 1 })
  })

  test('in another charset is refused', () => {
    for (const charset of ['utf-16', 'latin1', 'utf-7', 'x']) {
      assert.throws(() => read(`${JSON_TYPE}; charset=${charset}`, '1'), {
        code: 'TPT_CONTENT_TYPE',
        status: 415,
      })
    }
  })

  test('may be as deep as the limit, not one deeper, and never takes the process down', () => {
    const deep = (depth: number): string => '['.repeat(depth) + ']'.repeat(depth)
    assert.equal(read(JSON_TYPE, deep(MAX_JSON_DEPTH)).encoding, 'json')
    for (const depth of [MAX_JSON_DEPTH + 1, 100_000, 1_000_000]) {
      assert.throws(() => read(JSON_TYPE, deep(depth)), { code: 'TPT_BODY_INVALID' })
      assert.throws(() => read(JSON_TYPE, '{"a":'.repeat(depth) + '1' + '}'.repeat(depth)), {
        code: 'TPT_BODY_INVALID',
      })
    }
  })

  test('carries __proto__, constructor, NUL and lone surrogates unharmed', () => {
    const text = String.raw`{"__proto__":{"polluted":true},"constructor":{"prototype":{"polluted":true}},"nul":"\u0000","half":"\ud800"}`
    const { data } = read(JSON_TYPE, text)
    assert.equal(JSON.stringify(data), text)
    assert.equal(({} as { polluted?: boolean }).polluted, undefined)
    assert.equal((data as { polluted?: boolean }).polluted, undefined)
    assert.ok(Object.hasOwn(data as object, '__proto__'))
    const event = JSON.stringify(normalized({ content: read(JSON_TYPE, text) }).data)
    assert.equal(event, text)
  })

  test('comes out as it went in', () => {
    fc.assert(
      fc.property(fc.jsonValue({ maxDepth: 6 }), (value) => {
        const text = JSON.stringify(value)
        const event = normalized({ content: read(JSON_TYPE, text) })
        assert.equal(JSON.stringify(event.data), JSON.stringify(JSON.parse(text)))
      }),
    )
  })
})

describe('other bodies', () => {
  test('a form becomes an object, a repeated name a list', () => {
    assert.deepEqual(read(FORM, 'a=1&b=x+y&b=%C3%BC&c=&a=2&a=3&d'), {
      data: { a: ['1', '2', '3'], b: ['x y', 'ü'], c: '', d: '' },
      encoding: 'form',
    })
    const { data } = read(FORM, '__proto__=x&__proto__=y&constructor=z&toString=1')
    assert.deepEqual(Object.entries(data as object), [
      ['__proto__', ['x', 'y']],
      ['constructor', 'z'],
      ['toString', '1'],
    ])
    assert.equal(Object.getPrototypeOf(data), Object.prototype)
    assert.throws(() => read(FORM, Buffer.from([0xff])), { code: 'TPT_BODY_INVALID' })
  })

  test('a form has at most 10,000 fields', () => {
    const form = (fields: number) => () =>
      readContent('application/x-www-form-urlencoded', Buffer.from('a=1&'.repeat(fields)))
    assert.equal(form(10_000)().encoding, 'form')
    assert.throws(form(10_001), { code: 'TPT_BODY_INVALID', status: 400 })
  })

  test('text is text, in the charset that it names', () => {
    assert.deepEqual(read('text/plain', 'grün\0'), { data: 'grün\0', encoding: 'text' })
    assert.deepEqual(read('text/plain; charset=iso-8859-1', Buffer.from([0xfc])), {
      data: 'ü',
      encoding: 'text',
    })
    assert.deepEqual(read('text/csv; charset=utf-16le', Buffer.from('ü', 'utf16le')), {
      data: 'ü',
      encoding: 'text',
    })
    assert.throws(() => read('text/plain', Buffer.from([0xff])), { code: 'TPT_BODY_INVALID' })
    assert.throws(() => read('text/plain; charset=shift_jis', Buffer.from([0x82])), {
      code: 'TPT_BODY_INVALID',
    })
    assert.throws(() => read('text/plain; charset=nope', 'x'), { code: 'TPT_CONTENT_TYPE' })
  })

  test('anything else is base64', () => {
    const bytes = Buffer.from([0, 255, 1, 254])
    for (const type of ['application/octet-stream', 'image/png', 'application/xml', 'nonsense', '']) {
      assert.deepEqual(read(type, bytes), { data: bytes.toString('base64'), encoding: 'base64' }, type)
    }
  })

  test('multipart is for upload triggers', () => {
    for (const type of ['multipart/form-data; boundary=x', 'Multipart/Mixed']) {
      assert.throws(() => read(type, 'x'), {
        code: 'TPT_CONTENT_TYPE',
        status: 415,
        message: /upload trigger/,
      })
    }
  })

  test('without a content type: JSON if it parses, else text, else bytes', () => {
    assert.deepEqual(read(undefined, '{"a":1}'), { data: { a: 1 }, encoding: 'json' })
    assert.deepEqual(read(undefined, 'a=1'), { data: 'a=1', encoding: 'text' })
    assert.equal(read(undefined, '['.repeat(100_000)).encoding, 'text')
    assert.deepEqual(read(undefined, Buffer.from([0xff])), { data: '/w==', encoding: 'base64' })
    assert.deepEqual(read(undefined, ''), { data: null, encoding: 'none' })
  })

  test('any bytes under any type become JSON or a refusal of ours', () => {
    const types = fc.oneof(
      fc.constantFrom(JSON_TYPE, FORM, 'text/plain', 'multipart/x', 'a/b', undefined),
      fc.string(),
    )
    fc.assert(
      fc.property(types, fc.uint8Array({ maxLength: 200 }), (type, bytes) => {
        let content
        try {
          content = readContent(type, Buffer.from(bytes))
        } catch (error) {
          assert.match((error as { code: string }).code, /^TPT_(BODY_INVALID|CONTENT_TYPE)$/)
          return
        }
        assert.deepEqual(JSON.parse(JSON.stringify(content.data)), content.data)
      }),
      { numRuns: 1_000 },
    )
  })
})

interface Parts {
  readonly url?: string
  readonly headers?: IncomingHttpHeaders
  readonly content?: ReturnType<typeof readContent>
  readonly trigger?: ReturnType<typeof declared>
}

function normalized({
  url = '/orders/7',
  headers = {},
  content,
  trigger = declared('post', '/orders/:id'),
}: Parts) {
  const parts = {
    url,
    params: { id: '7' },
    headers,
    content: content ?? { data: null, encoding: 'none' as const },
  }
  return normalize(trigger, parts, { id: 'msg_1', nowMs: 1_700_000_000_123 })
}

describe('the event', () => {
  test('is a CloudEvent with the request beside its data', () => {
    const headers = { 'content-type': JSON_TYPE, 'user-agent': 'curl' }
    assert.deepEqual(
      normalized({ url: '/orders/7?a=1&b=2&b=%203', headers, content: { data: { x: 1 }, encoding: 'json' } }),
      {
        specversion: '1.0',
        id: 'msg_1',
        source: '/http/POST/orders/:id',
        type: 'http.request',
        subject: '/orders/7',
        time: '2023-11-14T22:13:20.123Z',
        data: { x: 1 },
        request: {
          method: 'POST',
          path: '/orders/7',
          params: { id: '7' },
          query: { a: '1', b: ['2', ' 3'] },
          headers,
          encoding: 'json',
        },
      },
    )
  })

  test('has a path without host, query and fragment', () => {
    const paths = {
      'http://host:1/a?b': '/a',
      '/a#b?c': '/a',
      '/a%2Fb?': '/a%2Fb',
      'http://host': '/',
      '/a//b': '/a//b',
    }
    for (const [url, path] of Object.entries(paths)) assert.equal(normalized({ url }).request.path, path, url)
  })

  test('has no subject when the path is longer than the ledger’s attributes', () => {
    assert.equal(normalized({ url: `/${'x'.repeat(1_023)}` }).subject?.length, 1_024)
    assert.equal(normalized({ url: `/${'x'.repeat(1_024)}` }).subject, undefined)
  })

  test('a source is a URI reference', () => {
    assert.equal(normalized({ trigger: declared('get', '/größe') }).source, '/http/GET/gr%C3%B6%C3%9Fe')
  })

  test('a query with naughty names pollutes nothing', () => {
    const { query } = normalized({ url: '/x?__proto__[a]=1&__proto__=2&__proto__=3&%00=%ff' }).request
    assert.deepEqual(Object.entries(query as object), [
      ['__proto__[a]', '1'],
      ['__proto__', ['2', '3']],
      ['\0', '\ufffd'],
    ])
    assert.equal(({} as { a?: string }).a, undefined)
  })

  test('keeps headers by an allow-list, and never one that lets somebody in', () => {
    const secrets = [
      ...[
        'authorization',
        'proxy-authorization',
        'cookie',
        'set-cookie',
        'x-api-key',
        'stripe-signature',
        'webhook-signature',
      ],
      ...[
        'x-hub-signature',
        'x-hub-signature-256',
        'x-slack-signature',
        'x-shopify-hmac-sha256',
        'svix-signature',
        'x-gitlab-token',
        'x-telegram-bot-api-secret-token',
        'apikey',
        'x-shared',
      ],
    ]
    const headers = Object.fromEntries(
      [...secrets, 'x-mine', 'x-other', 'traceparent', 'x-github-event'].map((name) => [name, 'canary']),
    )
    const trigger = declared('post', '/x', {
      headers: ['X-Mine', '__proto__', ...secrets],
      verify: signature.hmac('S', { header: 'X-Shared' }),
    })
    assert.deepEqual(Object.keys(normalized({ headers, trigger }).request.headers), [
      'traceparent',
      'x-github-event',
      'x-mine',
    ])
    assert.deepEqual(normalized({ headers: { 'x-mine': 'a' } }).request.headers, {})
  })
})
