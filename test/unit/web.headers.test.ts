import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { requestHeaders, responseHeaders } from '../../src/triggers/http/web-headers.ts'

describe('headers on their way to and from a web handler', () => {
  it('are all of the request but those of the connection, in their order', () => {
    const raw = ['Host', 'x', 'Cookie', 'a=1', 'X-Twice', '1', 'x-twice', '2', 'Authorization', 'Bearer t']
    const hop = [
      'Connection',
      'keep-alive, X-Hop',
      'X-Hop',
      '1',
      'TE',
      'trailers',
      'Upgrade',
      'h2c',
      'Expect',
      '100-continue',
    ]
    const ours = [
      'Transfer-Encoding',
      'chunked',
      'Proxy-Authorization',
      'Basic x',
      'Trailer',
      'x',
      'Keep-Alive',
      'x',
    ]
    assert.deepEqual(requestHeaders([...raw, ...hop, ...ours]), [
      ['Host', 'x'],
      ['Cookie', 'a=1'],
      ['X-Twice', '1'],
      ['x-twice', '2'],
      ['Authorization', 'Bearer t'],
    ])
  })

  it('are all of the response but those of the connection, and ours', () => {
    const kept = [
      ['set-cookie', 'a=1'],
      ['set-cookie', 'b=2'],
      ['content-length', '12'],
      ['location', '/x'],
    ] as const
    const dropped = [
      ['Connection', 'close, x-hop'],
      ['x-hop', '1'],
      ['Transfer-Encoding', 'chunked'],
      ['Tappet-Run-Id', 'forged'],
      ['Date', 'now'],
    ] as const
    assert.deepEqual(responseHeaders([...dropped, ...kept]), kept)
    for (const length of ['-1', '1,1', '0x1', ' 1', '1e3', '9'.repeat(16)])
      assert.deepEqual(responseHeaders([['Content-Length', length]]), [], length)
  })
})
