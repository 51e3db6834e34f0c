import assert from 'node:assert/strict'
import { createHash, createHmac, generateKeyPairSync, sign as seal } from 'node:crypto'
import type { IncomingHttpHeaders } from 'node:http'
import { describe, test } from 'node:test'

import { Webhooks } from '@octokit/webhooks'
import { Webhook } from 'standardwebhooks'
import { Stripe } from 'stripe'

import { identify } from '../../src/triggers/http/identity.ts'
import { signature, type Verification } from '../../src/triggers/http/signatures.ts'
import { createVerifier } from '../../src/triggers/http/verify.ts'

const NOW_MS = 1_700_000_000_000
const NOW_S = NOW_MS / 1_000
const SECRET = 'a-secret-of-some-length'
const STANDARD = 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw'
const BODY = Buffer.from('{"id":"evt_1","text":"ü __proto__"}')

interface Case {
  readonly verification: Verification
  readonly secret: string
  /** The header that carries the digest. */
  readonly header: string
  readonly sign: (body: Buffer, atS: number) => IncomingHttpHeaders | Promise<IncomingHttpHeaders>
  readonly timed: boolean
}

const hmac = (
  secret: string,
  text: string | Buffer,
  encoding: 'hex' | 'base64',
  algorithm = 'sha256',
): string => createHmac(algorithm, secret).update(text).digest(encoding)

/** Each scheme with its sender's own signer where there is one. */
const CASES: Readonly<Record<string, Case>> = {
  standard: {
    verification: signature.standard('S'),
    secret: STANDARD,
    header: 'webhook-signature',
    timed: true,
    sign: (body, atS) => ({
      'webhook-id': 'msg_1',
      'webhook-timestamp': String(atS),
      'webhook-signature': new Webhook(STANDARD).sign('msg_1', new Date(atS * 1_000), body.toString()),
    }),
  },
  github: {
    verification: signature.github('S'),
    secret: SECRET,
    header: 'x-hub-signature-256',
    timed: false,
    sign: async (body) => ({
      'x-hub-signature-256': await new Webhooks({ secret: SECRET }).sign(body.toString()),
    }),
  },
  stripe: {
    verification: signature.stripe('S'),
    secret: SECRET,
    header: 'stripe-signature',
    timed: true,
    sign: (body, atS) => ({
      'stripe-signature': new Stripe('sk_test_none').webhooks.generateTestHeaderString({
        payload: body.toString(),
        secret: SECRET,
        timestamp: atS,
      }),
    }),
  },
  slack: {
    verification: signature.slack('S'),
    secret: SECRET,
    header: 'x-slack-signature',
    timed: true,
    sign: (body, atS) => ({
      'x-slack-request-timestamp': String(atS),
      'x-slack-signature': `v0=${hmac(SECRET, `v0:${atS}:${body.toString()}`, 'hex')}`,
    }),
  },
  shopify: {
    verification: signature.shopify('S'),
    secret: SECRET,
    header: 'x-shopify-hmac-sha256',
    timed: false,
    sign: (body) => ({ 'x-shopify-hmac-sha256': hmac(SECRET, body, 'base64') }),
  },
  hmac: {
    verification: signature.hmac('S', {
      header: 'X-Sig',
      algorithm: 'sha512',
      encoding: 'base64',
      prefix: 'v=',
    }),
    secret: SECRET,
    header: 'x-sig',
    timed: false,
    sign: (body) => ({ 'x-sig': `v=${hmac(SECRET, body, 'base64', 'sha512')}` }),
  },
  'API key': {
    verification: signature.apiKey('S'),
    secret: SECRET,
    header: 'authorization',
    timed: false,
    sign: () => ({ authorization: `Bearer ${SECRET}` }),
  },
  'API key in a header': {
    verification: signature.apiKey('S', { header: 'X-Key' }),
    secret: SECRET,
    header: 'x-key',
    timed: false,
    sign: () => ({ 'x-key': SECRET }),
  },
}

function verifies(verification: Verification, secrets: string | Record<string, string>) {
  const values = typeof secrets === 'string' ? { S: secrets } : secrets
  const verifier = createVerifier(verification, (name) => values[name])
  if (typeof verifier === 'string') throw new Error(verifier)
  return (headers: IncomingHttpHeaders, body = BODY, nowMs = NOW_MS): boolean =>
    verifier(headers, body, nowMs)
}

for (const [name, { verification, secret, header, sign, timed }] of Object.entries(CASES)) {
  describe(name, () => {
    const check = verifies(verification, secret)

    test('accepts what its sender signs', async () => {
      assert.equal(check(await sign(BODY, NOW_S)), true)
    })

    test('refuses a missing, empty, cut, changed, other or doubled signature', async () => {
      const signed = await sign(BODY, NOW_S)
      const digest = String(signed[header])
      const last = digest.endsWith('A') ? 'B' : 'A'
      const wrong = [undefined, '', digest.slice(0, -1), `${digest.slice(0, -2)}${last}${last}`, `${digest}x`]
      for (const value of [
        ...wrong,
        digest.slice(-4),
        `${digest}, ${digest}`,
        `${digest}\u0000`,
        'ü',
        '=',
        ',',
        ' ',
      ]) {
        assert.equal(check({ ...signed, [header]: value }), false, JSON.stringify(value))
      }
      assert.equal(check({}), false)
    })

    test('refuses another secret, and accepts any of several', async () => {
      const other =
        name === 'standard' ? `whsec_${Buffer.alloc(24, 7).toString('base64')}` : 'another-secret-altogether'
      const signed = await sign(BODY, NOW_S)
      assert.equal(verifies(verification, other)(signed), false)
      assert.equal(verifies(verification, `${other} ${secret}`)(signed), true)
      assert.equal(verifies(verification, `${secret}\n${other}`)(signed), true)
      const two = { ...verification, secrets: ['NEW', 'OLD', 'UNSET'] }
      assert.equal(verifies(two, { NEW: other, OLD: secret })(signed), true)
      assert.equal(verifies(two, { NEW: other })(signed), false)
    })

    if (!name.startsWith('API key')) {
      test('refuses the same JSON in other bytes', async () => {
        const signed = await sign(BODY, NOW_S)
        assert.equal(check(signed, Buffer.from(JSON.stringify(JSON.parse(BODY.toString()), null, 1))), false)
        assert.equal(check(signed, Buffer.concat([BODY, Buffer.from('\n')])), false)
        assert.equal(check(signed, Buffer.alloc(0)), false)
      })
    }

    if (timed) {
      test('accepts 300 s of age either way, not 301', async () => {
        for (const age of [-300, -299, 299, 300])
          assert.equal(check(await sign(BODY, NOW_S + age)), true, String(age))
        for (const age of [-301, 301, 86_400])
          assert.equal(check(await sign(BODY, NOW_S + age)), false, String(age))
      })
    }
  })
}

describe('standard with a public key', () => {
  const pair = (): { publicKey: string; sign: (body: Buffer, atS: number) => IncomingHttpHeaders } => {
    const { publicKey, privateKey } = generateKeyPairSync('ed25519')
    const raw = Buffer.from(publicKey.export({ format: 'jwk' }).x ?? '', 'base64url')
    const sign = (body: Buffer, atS: number): IncomingHttpHeaders => {
      const content = Buffer.concat([Buffer.from(`msg_1.${atS}.`), body])
      const signature = `v1a,${seal(null, content, privateKey).toString('base64')}`
      return { 'webhook-id': 'msg_1', 'webhook-timestamp': String(atS), 'webhook-signature': signature }
    }
    return { publicKey: `whpk_${raw.toString('base64')}`, sign }
  }
  const { publicKey, sign } = pair()
  const other = pair()
  const check = verifies(signature.standard('S'), publicKey)

  test('accepts what the holder of the private key signs, in time', () => {
    for (const age of [-300, 0, 300]) assert.equal(check(sign(BODY, NOW_S + age)), true, String(age))
    for (const age of [-301, 301]) assert.equal(check(sign(BODY, NOW_S + age)), false, String(age))
    assert.equal(verifies(signature.standard('S'), `${STANDARD} ${publicKey}`)(sign(BODY, NOW_S)), true)
  })

  test('accepts it beside the signature of another key', () => {
    const [mine, theirs] = [sign(BODY, NOW_S), other.sign(BODY, NOW_S)]
    const both = `${String(theirs['webhook-signature'])} ${String(mine['webhook-signature'])}`
    assert.equal(check({ ...mine, 'webhook-signature': both }), true)
    assert.equal(check(theirs), false)
  })

  test('refuses other bytes, other names and other spellings', () => {
    const signed = sign(BODY, NOW_S)
    const text = String(signed['webhook-signature'])
    assert.equal(check(signed, Buffer.concat([BODY, Buffer.from(' ')])), false)
    assert.equal(check({ ...signed, 'webhook-id': 'msg_2' }), false)
    const urlSafe = Buffer.from(text.slice(4), 'base64').toString('base64url')
    const wrong = [text.slice(1), text.replace('v1a', 'v1'), text.slice(0, -2), `v1a,${urlSafe}`, 'v1a,', '']
    for (const value of wrong) assert.equal(check({ ...signed, 'webhook-signature': value }), false, value)
  })

  test('does not take the public key for a shared secret', () => {
    const raw = Buffer.from(publicKey.slice('whpk_'.length), 'base64')
    const digest = createHmac('sha256', raw).update(`msg_1.${NOW_S}.`).update(BODY).digest('base64')
    assert.equal(check({ ...sign(BODY, NOW_S), 'webhook-signature': `v1,${digest}` }), false)
  })
})

describe('published vectors', () => {
  test('Standard Webhooks', () => {
    const headers = {
      id: 'msg_p5jXN8AQM9LWM0D4loKWxJek',
      timestamp: '1614265330',
      signature: 'v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=',
    }
    const body = Buffer.from('{"test": 2432232314}')
    const check = verifies(signature.standard('S'), STANDARD)
    for (const prefix of ['webhook', 'svix']) {
      const named = Object.fromEntries(
        Object.entries(headers).map(([name, value]) => [`${prefix}-${name}`, value]),
      )
      assert.equal(check(named, body, 1_614_265_330_000), true, prefix)
      const several = `v1a,AAAA v2,${headers.signature.slice(3)} v1,AAAA ${headers.signature}`
      assert.equal(check({ ...named, [`${prefix}-signature`]: several }, body, 1_614_265_330_000), true)
      assert.equal(check({ ...named, [`${prefix}-id`]: 'msg_other' }, body, 1_614_265_330_000), false)
    }
  })

  test('GitHub, whose secret has spaces in it', () => {
    const check = verifies(signature.github('S'), "It's a Secret to Everybody")
    const digest = '757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17'
    const body = Buffer.from('Hello, World!')
    assert.equal(check({ 'x-hub-signature-256': `sha256=${digest}` }, body), true)
    assert.equal(check({ 'x-hub-signature-256': `sha256=${digest.toUpperCase()}` }, body), false)
    assert.equal(check({ 'x-hub-signature-256': digest }, body), false)
    assert.equal(check({ 'x-hub-signature-256': `sha256=${hmac('Secret', body, 'hex')}` }, body), false)
    const sha1 = `sha1=${hmac("It's a Secret to Everybody", body, 'hex', 'sha1')}`
    assert.equal(check({ 'x-hub-signature': sha1 }, body), false)
    assert.equal(check({ 'x-hub-signature-256': sha1 }, body), false)
  })

  test('Slack', () => {
    const body = Buffer.from(
      'token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V' +
        '&channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text=' +
        '&response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN' +
        '&trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c',
    )
    const headers = {
      'x-slack-request-timestamp': '1531420618',
      'x-slack-signature': 'v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503',
    }
    const check = verifies(signature.slack('S'), '8f742231b10e8888abcd99yyyzzz85a5')
    assert.equal(check(headers, body, 1_531_420_618_000), true)
    assert.equal(check(headers, body.subarray(1), 1_531_420_618_000), false)
  })
})

describe('timestamps that only look like one', () => {
  test('are refused although the signature over them holds', () => {
    const check = verifies(signature.slack('S'), SECRET)
    for (const time of [
      `${NOW_S}abc`,
      ` ${NOW_S}`,
      `+${NOW_S}`,
      `${NOW_S}.0`,
      '1.7e9',
      '',
      'NaN',
      '٣',
      `${NOW_S}${'0'.repeat(20)}`,
    ]) {
      const digest = `v0=${hmac(SECRET, `v0:${time}:${BODY.toString()}`, 'hex')}`
      assert.equal(check({ 'x-slack-request-timestamp': time, 'x-slack-signature': digest }), false, time)
    }
  })

  test('Stripe: several signatures may come with one time, not with two', () => {
    const check = verifies(signature.stripe('S'), SECRET)
    const v1 = hmac(SECRET, `${NOW_S}.${BODY.toString()}`, 'hex')
    assert.equal(check({ 'stripe-signature': `t=${NOW_S},v1=${'0'.repeat(64)},v1=${v1},v0=${v1}` }), true)
    assert.equal(check({ 'stripe-signature': `t=${NOW_S},v0=${v1}` }), false)
    assert.equal(check({ 'stripe-signature': `t=${NOW_S},t=${NOW_S},v1=${v1}` }), false)
    assert.equal(check({ 'stripe-signature': `v1=${v1}` }), false)
  })
})

describe('secrets', () => {
  test('that are not set, empty or unusable make no verifier', () => {
    for (const verification of Object.values(CASES).map((each) => each.verification)) {
      for (const value of [undefined, '', ' \n\t']) {
        assert.match(
          String(createVerifier(verification, () => value)),
          /environment variable S, which is not set/,
        )
      }
    }
    for (const value of ['whsec_', 'whsec_***', 'whpk_AAAA']) {
      const said = createVerifier(signature.standard('S'), () => value)
      assert.match(String(said), /whsec_<base64>/, value)
      assert.doesNotMatch(String(said), /\*\*\*|AAAA/)
    }
  })

  test('with a word of less than 16 characters are one secret, not several', () => {
    const check = verifies(signature.apiKey('S', { header: 'x-key' }), 'correct horse battery staple')
    assert.equal(check({ 'x-key': 'correct horse battery staple' }), true)
    assert.equal(check({ 'x-key': 'correct' }), false)
    const two = verifies(signature.apiKey('S'), `${'a'.repeat(16)} ${'b'.repeat(16)}`)
    assert.equal(two({ authorization: `bearer ${'b'.repeat(16)}` }), true)
    const short = verifies(signature.apiKey('S'), `${'a'.repeat(16)} ${'b'.repeat(15)}`)
    assert.equal(short({ authorization: `Bearer ${'b'.repeat(15)}` }), false)
  })

  test('a hex digest in capitals is fine where the sender is anybody', () => {
    const check = verifies(signature.hmac('S', { header: 'x-sig' }), SECRET)
    assert.equal(check({ 'x-sig': hmac(SECRET, BODY, 'hex').toUpperCase() }), true)
  })
})

describe('the id of an event', () => {
  const of = (scheme: Verification['scheme'] | null, headers: IncomingHttpHeaders, data: unknown = null) =>
    identify({ scheme, headers, body: BODY, data })
  const hash = `sha256:${createHash('sha256').update(BODY).digest('hex')}`

  test('is what the sender signed', () => {
    const key = { 'idempotency-key': 'mine' }
    assert.deepEqual(of('standard', { 'webhook-id': 'msg_1', ...key }), {
      id: 'msg_1',
      aliases: [],
      byKey: false,
    })
    assert.deepEqual(of('standard', { 'svix-id': 'msg_2' }), { id: 'msg_2', aliases: [], byKey: false })
    assert.deepEqual(of('stripe', key, { id: 'evt_9' }), { id: 'evt_9', aliases: [], byKey: false })
    assert.deepEqual(of('slack', key, { event_id: 'Ev1' }), { id: 'Ev1', aliases: [], byKey: false })
  })

  test('has the body as a second name where the sender’s id is not signed', () => {
    assert.deepEqual(of('github', { 'x-github-delivery': 'd-1' }), {
      id: 'd-1',
      aliases: [hash],
      byKey: false,
    })
    assert.deepEqual(of('shopify', { 'x-shopify-webhook-id': 'w-1' }), {
      id: 'w-1',
      aliases: [hash],
      byKey: false,
    })
    assert.deepEqual(of('github', {}), { id: hash, aliases: [hash], byKey: false })
  })

  test('is the Idempotency-Key, up to 255 visible characters', () => {
    for (const scheme of [null, 'key', 'hmac', 'stripe', 'slack'] as const) {
      assert.equal(of(scheme, { 'idempotency-key': 'k'.repeat(255) }).id, 'k'.repeat(255))
      for (const key of ['k'.repeat(256), '', 'a b', 'é', 'a\tb', 'a\u007f']) {
        assert.throws(
          () => of(scheme, { 'idempotency-key': key }),
          { code: 'TPT_REQUEST_INVALID', status: 400 },
          key,
        )
      }
    }
  })

  test('is new otherwise', () => {
    assert.match(of(null, {}).id, /^msg_/)
    assert.notEqual(of(null, {}).id, of(null, {}).id)
    assert.match(of('stripe', {}, 'text').id, /^msg_/)
    assert.match(of('slack', {}, { event_id: 7 }).id, /^msg_/)
  })

  test('is a hash when no store could hold it', () => {
    for (const id of ['a\u0000b', '\ud800', 'x'.repeat(256), 'with space']) {
      assert.match(of('stripe', {}, { id }).id, /^sha256:[0-9a-f]{64}$/)
    }
    assert.notEqual(of('stripe', {}, { id: '\ud800' }).id, of('stripe', {}, { id: '\ud801' }).id)
  })
})
