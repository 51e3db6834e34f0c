import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { type Failure, toFailure } from '../../src/errors.ts'
import {
  CHUNK_BYTES,
  createInflow,
  createOutflow,
  type Inflow,
  WINDOW_BYTES,
} from '../../src/runtime/web/flow.ts'
import { readHead } from '../../src/runtime/web/head.ts'
import { encodeJson, FRAME } from '../../src/runtime/frames.ts'

/** Both ends of a body, with nothing between them. */
function pair() {
  let most = 0
  let underWay = 0
  const inflow = createInflow((bytes) => {
    underWay -= bytes
    outflow.credit(bytes)
  })
  const outflow = createOutflow((piece) => {
    underWay += piece.length
    most = Math.max(most, underWay)
    // As a frame does: whoever has sent it may use its memory again.
    inflow.push(Buffer.from(piece))
  })
  return { inflow, outflow, most: () => most }
}

async function all(inflow: Inflow): Promise<Buffer> {
  const pieces: Buffer[] = []
  for (let piece = await inflow.next(); piece !== null; piece = await inflow.next()) pieces.push(piece)
  return Buffer.concat(pieces)
}

describe('a body between two processes', () => {
  it('comes out as it went in, and never has more than a window under way', async () => {
    const sizes = fc.array(fc.integer({ min: 0, max: 400_000 }), { maxLength: 12 })
    await fc.assert(
      fc.asyncProperty(sizes, async (lengths) => {
        const sent = lengths.map((length, i) => Buffer.alloc(length, i + 1))
        const { inflow, outflow, most } = pair()
        const sending = (async () => {
          for (const piece of sent) assert.equal(await outflow.send(piece), true)
          inflow.end(null)
        })()
        const got = await all(inflow)
        await sending
        assert.ok(got.equals(Buffer.concat(sent)))
        assert.ok(most() < WINDOW_BYTES + CHUNK_BYTES, `${most()} bytes`)
      }),
      { numRuns: 50 },
    )
  })

  it('waits where nobody reads, and goes on when somebody does', async () => {
    const { inflow, outflow } = pair()
    let sent = false
    const sending = outflow.send(Buffer.alloc(2 * WINDOW_BYTES)).then(() => (sent = true))
    for (let read = 0; read < WINDOW_BYTES;) {
      assert.equal(sent, false)
      read += (await inflow.next())?.length ?? 0
    }
    inflow.cancel()
    await sending
  })

  it('ends for who sends when nobody wants more', async () => {
    const { outflow } = pair()
    const sending = outflow.send(Buffer.alloc(2 * WINDOW_BYTES))
    outflow.stop()
    assert.equal(await sending, false)
    assert.equal(await outflow.send(Buffer.from('x')), false)
  })

  it('breaks off with what has come before, and why', async () => {
    const { inflow, outflow } = pair()
    await outflow.send(Buffer.from('so far'))
    inflow.end(toFailure(Object.assign(new Error('no more'), { code: 'TPT_BODY_INVALID' })))
    inflow.end(null)
    assert.equal((await inflow.next())?.toString(), 'so far')
    await assert.rejects(inflow.next(), {
      message: 'no more',
      code: 'TPT_BODY_INVALID',
    } satisfies Partial<Failure>)
  })

  it('is credited when it is dropped', async () => {
    const { inflow, outflow } = pair()
    inflow.cancel()
    assert.equal(await outflow.send(Buffer.alloc(3 * WINDOW_BYTES)), true)
    assert.equal(await inflow.next(), null)
  })

  it('is refused from who does not wait', () => {
    const inflow = createInflow(() => undefined)
    const piece = Buffer.alloc(CHUNK_BYTES)
    const pushing = (): void => {
      for (let bytes = 0; bytes <= WINDOW_BYTES + CHUNK_BYTES; bytes += CHUNK_BYTES) inflow.push(piece)
    }
    assert.throws(pushing, RangeError)
  })
})

describe('the head of a response', () => {
  const head = (status: unknown, headers: unknown) =>
    readHead({ type: FRAME.head, id: 1, header: { status }, payload: encodeJson(headers) })

  it('is one', () => {
    const headers = [
      ['set-cookie', 'a=1'],
      ['set-cookie', 'b=2'],
    ]
    assert.deepEqual(head(201, headers), { status: 201, headers })
  })

  it('is none', () => {
    for (const status of [100, 199, 600, 200.5, '200', null, NaN]) assert.equal(head(status, []), null)
    const wrong = [
      null,
      {},
      ['a'],
      [['a']],
      [['a', 'b', 'c']],
      [['a b', 'c']],
      [['a', 'b\r\nc: d']],
      [['a', 1]],
    ]
    for (const headers of wrong) assert.equal(head(200, headers), null, JSON.stringify(headers))
  })
})
