import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { type Posted, readPosted, readPostedError } from '../../src/runtime/lambda/answer.ts'

const posted = (
  body: unknown,
  headers: Posted['headers'] = {},
  trailers: Posted['trailers'] = {},
): Posted => ({
  ...{ headers, trailers },
  body: Buffer.from(typeof body === 'string' ? body : JSON.stringify(body)),
})
const errorType = { 'lambda-runtime-function-error-type': 'Function.Broken' }
const http = { 'content-type': 'application/vnd.awslambda.http-integration-response' }
const base64 = (text: string): string => Buffer.from(text).toString('base64')

describe('what a runtime of Lambda posts as a result', () => {
  it('is JSON, text or nothing', () => {
    assert.deepEqual(readPosted(posted({ a: 1 }), false), { result: { a: 1 } })
    assert.deepEqual(readPosted(posted('not json'), false), { result: 'not json' })
    assert.deepEqual(readPosted(posted(''), false), { result: null })
  })

  it('answers a request when it has a status, and is a value else', () => {
    const value = {
      ...{ statusCode: 200, headers: { 'X-A': 1 }, multiValueHeaders: { 'X-B': ['1', '2'] } },
      ...{ cookies: ['a=1'], body: base64('ä'), isBase64Encoded: true },
    }
    const headers = [
      ['x-a', '1'],
      ['x-b', '1'],
      ['x-b', '2'],
      ['set-cookie', 'a=1'],
    ]
    assert.deepEqual(readPosted(posted(value), true), {
      result: { '~response': { status: 200, headers, body: base64('ä') } },
    })
    assert.deepEqual(readPosted(posted(value), false), { result: value })
    assert.deepEqual(readPosted(posted({ statusCode: '200' }), true), { result: { statusCode: '200' } })
    assert.deepEqual(readPosted(posted({ statusCode: 204 }), true), {
      result: { '~response': { status: 204, headers: [], body: '' } },
    })
  })

  it('may be a stream behind a prelude', () => {
    const stream = `{"statusCode":201}${'\0'.repeat(8)}a\0b`
    assert.deepEqual(readPosted(posted(stream, http), true), {
      result: { '~response': { status: 201, headers: [], body: base64('a\0b') } },
    })
    assert.deepEqual(readPosted(posted('no prelude', http), true), { result: 'no prelude' })
  })

  it('is an error when its trailers say so', () => {
    const trailers = {
      ...errorType,
      'lambda-runtime-function-error-body': base64('{"errorMessage":"halfway"}'),
    }
    assert.deepEqual(readPosted(posted('half', {}, trailers), false), {
      ...{ name: 'Function.Broken', message: 'halfway', stack: null, retryable: true },
    })
  })
})

describe('what a runtime of Lambda posts as an error', () => {
  const python = { errorType: 'KeyError', errorMessage: "'x'", stackTrace: ['  File "a.py", line 1\n'] }
  const node = { errorType: 'TypeError', errorMessage: 'no', trace: ['TypeError: no', '    at a.js:1:1'] }

  it('has its stack with one head, whether it came with one or not', () => {
    assert.equal(readPostedError(posted(python)).stack, 'KeyError: \'x\'\n  File "a.py", line 1')
    assert.equal(readPostedError(posted(node)).stack, 'TypeError: no\n    at a.js:1:1')
  })

  it('is named by its body, else by its header', () => {
    assert.equal(readPostedError(posted(python, errorType)).name, 'KeyError')
    const { name, message } = readPostedError(posted('all is lost', errorType))
    assert.deepEqual([name, message], ['Function.Broken', 'all is lost'])
    assert.equal(readPostedError(posted('')).name, 'Function.Unknown')
  })

  it('is not tried again if it is a FatalError of any module', () => {
    const retryable = (type: string) => readPostedError(posted({ errorType: type })).retryable
    assert.deepEqual(['FatalError', 'shop.FatalError', 'NotFatalError', 'Error'].map(retryable), [
      false,
      false,
      true,
      true,
    ])
  })
})
