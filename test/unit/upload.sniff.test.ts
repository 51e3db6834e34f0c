import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { describe, it } from 'node:test'
import { accepts, canTell, sniff, SNIFF_BYTES } from '../../src/triggers/upload/sniff.ts'
import { PNG } from '../support/upload-server.ts'

const typeOf = (content: string | Buffer): Promise<string> => {
  const bytes = Buffer.from(content)
  return sniff(bytes.subarray(0, SNIFF_BYTES), bytes.length)
}

const SVG = '<svg xmlns="http://www.w3.org/2000/svg"><rect/></svg>'

describe('sniff', () => {
  it('tells binary formats by their first bytes', async () => {
    assert.equal(await typeOf(PNG), 'image/png')
    assert.equal(await typeOf(Buffer.from('ffd8ffe000104a46494600010100', 'hex')), 'image/jpeg')
    assert.equal(await typeOf(Buffer.from('1f8b0800000000000003', 'hex')), 'application/gzip')
    assert.equal(await typeOf(Buffer.from([0, 1, 2, 3])), 'application/octet-stream')
    assert.equal(await typeOf('%PDF-1.4\nplain all the way'), 'application/pdf')
    assert.equal(await typeOf(''), 'application/octet-stream')
  })

  it('tells text from the rest', async () => {
    assert.equal(await typeOf('hello'), 'text/plain')
    assert.equal(await typeOf('a,b\n1,2\n'), 'text/plain')
    assert.equal(await typeOf('{"a":1}'), 'application/json')
    assert.equal(await typeOf('{"a":1'), 'text/plain')
    assert.equal(await typeOf('123'), 'text/plain')
    assert.equal(await typeOf('a\0b'), 'application/octet-stream')
    assert.equal(await typeOf(Buffer.from('caf\xe9', 'latin1')), 'application/octet-stream')
    assert.equal(await typeOf('<?xml version="1.0"?><a/>'), 'application/xml')
    assert.equal(await typeOf('<!doctype html><p>'), 'text/html')
  })

  it('is not confused by a letter that its window cuts', async () => {
    assert.equal(await typeOf(`x${'é'.repeat(SNIFF_BYTES)}`), 'text/plain')
    assert.equal(await sniff(Buffer.from('abc\xc3', 'latin1'), 4), 'application/octet-stream')
  })

  it('never calls text an image, whatever it begins with', async () => {
    const polyglots = [
      'GIF89a/*<script>alert(1)</script>*/',
      'BM<script>alert(1)</script>',
      'RIFFxxxxWEBPVP8 <html>',
      'MZ<html>',
    ]
    for (const text of polyglots) assert.equal(await typeOf(text), 'text/plain', text)
    const markup = [
      '<svg onload=alert(1)>',
      '<html><svg xmlns="http://www.w3.org/2000/svg">',
      ` \n<script>x</script>${SVG}`,
      '<!-- x --><a href="x">',
    ]
    for (const text of markup) assert.equal(await typeOf(text), 'text/html', text)
  })

  it('knows SVG by its root and namespace', async () => {
    assert.equal(await typeOf(SVG), 'image/svg+xml')
    assert.equal(
      await typeOf(`\ufeff<?xml version="1.0"?>\n<!-- <html> -->\n<!DOCTYPE svg PUBLIC "x">\n${SVG}`),
      'image/svg+xml',
    )
    assert.equal(await typeOf(`<?xml version="1.0"?><a>${SVG}</a>`), 'application/xml')
  })

  it('ends on anything, and soon', async () => {
    const before = performance.now()
    const hostile = [
      '<!--'.repeat(16_384),
      '<!---->'.repeat(9_000),
      '<?'.repeat(32_000),
      '['.repeat(65_536),
      `<svg${' '.repeat(65_000)}`,
    ]
    for (const text of hostile) await typeOf(text)
    for (let i = 0; i < 200; i++) await typeOf(randomBytes(1 + i * 20))
    assert.ok(performance.now() - before < 5_000)
  })
})

describe('accept', () => {
  it('takes exact types and families', () => {
    assert.ok(accepts([], 'x/y'))
    assert.ok(accepts(['image/*'], 'image/png'))
    assert.ok(accepts(['IMAGE/PNG'], 'image/png'))
    assert.ok(accepts(['text/plain', 'image/svg+xml'], 'image/svg+xml'))
    assert.ok(accepts(['*/*'], 'image/svg+xml'))
    assert.ok(!accepts(['image/*'], 'imagex/png'))
    assert.ok(!accepts(['image/*'], 'image/svg+xml'))
    assert.ok(!accepts(['image/jpeg'], 'image/png'))
  })

  it('knows which types cannot be told', () => {
    for (const type of ['image/*', 'text/plain', 'application/pdf', 'video/mp4', 'application/json', '*/*'])
      assert.ok(canTell(type), type)
    for (const type of ['text/csv', 'text/markdown', 'png', 'image', '']) assert.ok(!canTell(type), type)
  })
})
