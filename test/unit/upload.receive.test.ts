import assert from 'node:assert/strict'
import { PassThrough, Readable } from 'node:stream'
import { describe, it } from 'node:test'
import { contentDisposition, parseRange } from '../../src/triggers/upload/download.ts'
import { arriving, atMost } from '../../src/triggers/upload/receive.ts'

async function collect(chunks: AsyncIterable<Buffer>): Promise<string> {
  let text = ''
  for await (const chunk of chunks) text += chunk.toString()
  return text
}

describe('a body as it arrives', () => {
  it('comes whole', async () => {
    assert.equal(await collect(arriving(Readable.from([Buffer.from('ab'), Buffer.from('c')]))), 'abc')
  })

  it('stays open when it is too large, so that the sender can be told', async () => {
    const body = new PassThrough()
    body.write('12345')
    assert.equal(await collect(atMost(arriving(Readable.from([Buffer.from('12345')])), 5)), '12345')
    await assert.rejects(collect(atMost(arriving(body), 4)), { code: 'TPT_EVENT_TOO_LARGE' })
    assert.equal(body.destroyed, false)
    body.destroy()
  })

  it('is cut off when nothing comes', async () => {
    const body = new PassThrough()
    body.write('x')
    await assert.rejects(collect(arriving(body, 50)), { code: 'TPT_REQUEST_TIMEOUT' })
    body.destroy()
  })

  it('says that it broke off', async () => {
    const body = new PassThrough()
    body.write('x')
    const read = collect(arriving(body))
    body.destroy(new Error('ECONNRESET'))
    await assert.rejects(read, { code: 'TPT_BODY_INVALID' })
  })
})

describe('a Range header', () => {
  it('gives one range, the whole, or none that can be had', () => {
    assert.deepEqual(parseRange('bytes=0-0', 10), { start: 0, end: 1 })
    assert.deepEqual(parseRange('bytes=2-', 10), { start: 2, end: 10 })
    assert.deepEqual(parseRange('bytes=-3', 10), { start: 7, end: 10 })
    assert.deepEqual(parseRange('bytes=-30', 10), { start: 0, end: 10 })
    assert.deepEqual(parseRange('bytes=5-99', 10), { start: 5, end: 10 })
    for (const header of [undefined, '', 'bytes=-', 'bytes=3-2', 'bytes=0-1,4-5', 'lines=1-2', 'bytes=a-b'])
      assert.equal(parseRange(header, 10), null, header)
    for (const header of ['bytes=10-', 'bytes=10-20', 'bytes=-0', 'bytes=999999999999999-'])
      assert.equal(parseRange(header, 10), 'unsatisfiable', header)
    assert.equal(parseRange('bytes=0-', 0), 'unsatisfiable')
  })
})

describe('Content-Disposition', () => {
  it('cannot be broken out of', () => {
    assert.equal(contentDisposition('cat.png'), 'attachment; filename="cat.png"')
    assert.equal(
      contentDisposition('a"; x\\.html'),
      `attachment; filename="a_; x_.html"; filename*=UTF-8''a%22%3B%20x%5C.html`,
    )
    assert.equal(
      contentDisposition("é'(*).png"),
      `attachment; filename="_'(*).png"; filename*=UTF-8''%C3%A9%27%28%2A%29.png`,
    )
  })
})
