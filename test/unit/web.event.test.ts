import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { Context } from '../../src/define/context.ts'
import { asDefinition } from '../../src/runtime/handler/web-event.ts'
import { readWebModule } from '../../src/runtime/runner/web-module.ts'
import { makeEnvelope } from '../support/make.ts'

const never = new AbortController().signal
const contextOf = (errors: string[] = []): Context =>
  ({
    env: { A: '1' },
    signal: never,
    log: { error: (text: string) => errors.push(text) },
  }) as unknown as Context
const eventOf = (data: unknown, request: object, source = '/invoke/page') =>
  makeEnvelope({ source, type: 'http.request', data, ...{ request } }) as never

describe('a web handler that is invoked', () => {
  const seen: unknown[] = []
  const { handler, options } = asDefinition({
    config: {},
    async fetch(request, env, ctx) {
      seen.push([request.method, request.url, await request.text(), env, ctx.params])
      ctx.waitUntil(Promise.reject(new Error('later')))
      return new Response('answer')
    },
  })

  it('gets a request made of the event, and is waited for', async () => {
    const errors: string[] = []
    const request = { method: 'POST', path: '/shop/*', params: { id: '1' } }
    const response = (await handler(eventOf({ n: 1 }, request), contextOf(errors))) as Response
    assert.equal(await response.text(), 'answer')
    assert.deepEqual(seen, [['POST', 'http://localhost/shop/', '{"n":1}', { A: '1' }, { id: '1' }]])
    assert.match(errors[0] ?? '', /^ctx.waitUntil: Error: later/)
    await handler(eventOf(null, { method: 'GET', path: '/', params: {} }), contextOf())
    assert.deepEqual(seen[1], ['GET', 'http://localhost/', '', { A: '1' }, {}])
  })

  it('does not run again what came over HTTP', async () => {
    const event = eventOf(null, { method: 'GET', path: '/', params: {} }, '/http/ANY/fn/page')
    await assert.rejects(async () => handler(event, contextOf()), { code: 'TPT_CONFLICT', retryable: false })
  })

  it('has a trigger at each of its places', () => assert.equal([options.on].flat().length, 2))
})

describe('what a file exports', () => {
  const plain = (): Response => new Response()
  class App {
    readonly answer = new Response()
    fetch(): Response {
      return this.answer
    }
  }

  it('is a web handler', () => {
    const app = new App()
    const { fetch } = readWebModule({ default: app }) ?? {}
    assert.equal((fetch as (() => Response) | undefined)?.(), app.answer)
    assert.equal(readWebModule({ default: plain })?.bare, true)
    const config = { timeout: '5s' } as const
    for (const exports of [
      { default: plain, config },
      { default: { fetch: plain }, config },
      { default: { fetch: plain, config } },
    ]) {
      const { bare, config: read } = readWebModule(exports) ?? {}
      assert.deepEqual([bare, read], [false, config])
    }
    assert.equal(readWebModule({ default: { fetch: plain } })?.bare, false)
  })

  it('is none', () => {
    for (const value of [undefined, null, 1, 'text', {}, { fetch: 1 }, [], App]) {
      assert.equal(readWebModule({ default: value }), null)
    }
  })
})
