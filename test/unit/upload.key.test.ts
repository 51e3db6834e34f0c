import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { TappetError } from '../../src/errors.ts'
import { keyFromUrl, keyToUrl, toFilename, toKey } from '../../src/triggers/upload/key.ts'

const isRefused = (error: unknown): boolean =>
  error instanceof TappetError && error.code === 'TPT_EVENT_INVALID' && error.issues[0]?.path === '/data/key'

describe('a key', () => {
  it('may be any readable text', () => {
    const fine = [
      'a',
      'a/b.png',
      'CON',
      '.hidden',
      '-rf',
      'a b',
      'a.',
      'x:y',
      'COM1.txt',
      '👩‍👩‍👧/日本',
      "it's",
      '~',
      '...',
      'a/*',
    ]
    for (const key of fine) assert.equal(toKey(key), key)
  })

  it('is composed, so that twins are one', () => {
    assert.equal(toKey('caf\u0065\u0301'), 'caf\u00e9')
  })

  it('has at most 512 bytes', () => {
    assert.equal(toKey('x'.repeat(512)).length, 512)
    assert.throws(() => toKey('x'.repeat(513)), isRefused)
    assert.equal(toKey('é'.repeat(256)).length, 256)
    assert.throws(() => toKey(`${'é'.repeat(256)}x`), isRefused)
    assert.throws(() => toKey(''), isRefused)
  })

  it('has no segments that would lead elsewhere, and nothing that misleads', () => {
    const bad = ['..', '.', 'a/../b', '/a', 'a/', 'a//b', 'a\\b', '..\\x', 'a\0', 'a\nb', 'a\x7f', 'a\u0085b']
    const misleading = ['\u202egnp.exe', 'a\u2066b', 'a\u200fb', 'a\u2028b', '\ufeffa', 'a\ufffd', 'a\ud800']
    for (const key of [...bad, ...misleading]) assert.throws(() => toKey(key), isRefused, JSON.stringify(key))
  })

  it('is percent-decoded once', () => {
    assert.equal(keyFromUrl('/u/a%20b/c?x=1', '/u/'), 'a b/c')
    assert.equal(keyFromUrl('/u/%252e%252e', '/u/'), '%2e%2e')
    for (const path of [
      '/u/%2e%2e',
      '/u/a/%2e%2e/b',
      '/u/%00',
      '/u/%ff',
      '/u/%c0%af',
      '/u/%',
      '/u/a%5cb',
      '/u/%2fa',
    ])
      assert.throws(() => keyFromUrl(path, '/u/'), isRefused, path)
    for (const key of ['a b/c', '50%', 'é/?#', "it's"])
      assert.equal(keyFromUrl(`/u/${keyToUrl(key)}`, '/u/'), key)
  })
})

describe('a filename', () => {
  it('loses folders and what misleads', () => {
    assert.equal(toFilename('../../etc/passwd'), 'passwd')
    assert.equal(toFilename('C:\\x\\cat.png'), 'cat.png')
    assert.equal(toFilename('a\u202egnp.exe\0'), 'agnp.exe')
    assert.equal(toFilename('  '), null)
    assert.equal(toFilename(null), null)
    assert.equal(toFilename('x'.repeat(300))?.length, 255)
  })
})
