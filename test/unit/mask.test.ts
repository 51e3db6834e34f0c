import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createMask, MIN_SECRET_CHARS } from '../../src/lib/mask.ts'

test('the name of a secret stands where its value was', () => {
  const { text } = createMask({ BANK: 'hunter22', TOKEN: 'a.b+c(d)$&' })
  assert.equal(text('hunter22, hunter22 and a.b+c(d)$&'), '[secret BANK], [secret BANK] and [secret TOKEN]')
  assert.equal(text('hunter2'), 'hunter2')
})

test('a value that is too short is left alone', () => {
  const short = 'x'.repeat(MIN_SECRET_CHARS - 1)
  const mask = createMask({ A: short, B: `${short}y` })
  assert.equal(mask.text(`${short} ${short}y`), `${short} [secret B]`)
  assert.equal(createMask({ A: '' }).text('as it is'), 'as it is')
})

test('of two secrets, one the beginning of the other, no rest is left', () => {
  const mask = createMask({ A: 'password', B: 'password-2' })
  assert.equal(mask.text('password-2 password'), '[secret B] [secret A]')
})

test('each line of a secret counts, since lines are logged by themselves', () => {
  const mask = createMask({ PEM: '-----BEGIN-----\nc2VjcmV0c2VjcmV0\nxyz\n' })
  assert.equal(mask.text('got c2VjcmV0c2VjcmV0'), 'got [secret PEM]')
  assert.equal(mask.text('got -----BEGIN-----\nc2VjcmV0c2VjcmV0\nxyz'), 'got [secret PEM]')
})

test('JSON is masked in all its text, names of properties included, and keeps its shape', () => {
  const mask = createMask({ A: 'say "secret"' })
  const value = { n: 1, yes: true, none: null, list: ['say "secret"'], 'say "secret"': { x: 'no' } }
  assert.deepEqual(mask.json(value), {
    ...{ n: 1, yes: true, none: null, list: ['[secret A]'] },
    '[secret A]': { x: 'no' },
  })
})
