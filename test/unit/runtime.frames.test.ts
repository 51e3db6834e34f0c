import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import {
  createDecoder,
  createFrameWriter,
  decodeJson,
  encodeFrame,
  encodeJson,
  FRAME,
  type Frame,
} from '../../src/runtime/frames.ts'

describe('frames', () => {
  const frames = fc.array(
    fc.record(
      {
        type: fc.integer({ min: 0, max: 255 }),
        id: fc.integer({ min: 0, max: 0xffff_ffff }),
        header: fc.dictionary(
          fc.string().filter((key) => key !== '__proto__'),
          fc.string({ unit: 'binary' }),
          { noNullPrototype: true },
        ),
        payload: fc.uint8Array({ maxLength: 5_000 }).map((bytes) => Buffer.from(bytes)),
      },
      { noNullPrototype: true },
    ),
    { maxLength: 20 },
  )

  it('come out as they went in, however the bytes are cut', () => {
    const cuts = fc.infiniteStream(fc.integer({ min: 1, max: 700 }))
    fc.assert(
      fc.property(frames, cuts, (sent, sizes) => {
        const bytes = Buffer.concat(
          sent.map(({ type, id, header, payload }) => encodeFrame(type, id, header, payload)),
        )
        const got: Frame[] = []
        const decode = createDecoder((frame) => got.push({ ...frame, payload: Buffer.from(frame.payload) }))
        for (let at = 0; at < bytes.length;) {
          const size = sizes.next().value as number
          decode(bytes.subarray(at, at + size))
          at += size
        }
        assert.deepEqual(got, sent)
      }),
    )
  })

  it('are refused over the limit, not at it', () => {
    const limit = 100
    const payload = Buffer.alloc(limit - encodeFrame(1, 1).length + 4)
    const got: Frame[] = []
    createDecoder((frame) => got.push(frame), limit)(encodeFrame(1, 1, {}, payload))
    assert.equal(got.length, 1)
    const over = encodeFrame(1, 1, {}, Buffer.alloc(payload.length + 1))
    assert.throws(() => createDecoder(() => assert.fail(), limit)(over), /must have 7 to 100 bytes, got 101/)
  })

  it('are refused when they make no sense', () => {
    const frame = encodeFrame(FRAME.ping, 1, { a: 1 })
    const longHeader = Buffer.from(frame)
    longHeader.writeUInt16LE(60_000, 9)
    const short = Buffer.from(frame)
    short.writeUInt32LE(3, 0)
    const noJson = Buffer.from(frame)
    noJson.write('x', 11)
    for (const bytes of [longHeader, short, noJson]) {
      assert.throws(() => createDecoder(() => assert.fail())(bytes))
    }
  })

  it('have a header of at most 64 KiB', () => {
    assert.doesNotThrow(() => encodeFrame(1, 1, { a: 'x'.repeat(65_535 - 8) }))
    assert.throws(() => encodeFrame(1, 1, { a: 'x'.repeat(65_535 - 7) }), /at most 65535 bytes, got 65536/)
  })

  it('are written together in one turn, and at once when it is urgent', async () => {
    const writes: Buffer[] = []
    const writer = createFrameWriter((bytes) => void writes.push(bytes))
    writer.send(1, 1)
    writer.send(1, 2)
    assert.equal(writes.length, 0)
    await new Promise((resolve) => setImmediate(resolve))
    assert.deepEqual(writes, [Buffer.concat([encodeFrame(1, 1), encodeFrame(1, 2)])])
    writer.send(1, 3)
    writer.sendNow(1, 4)
    assert.deepEqual(writes.slice(1), [Buffer.concat([encodeFrame(1, 3), encodeFrame(1, 4)])])
  })

  it('carry JSON', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) =>
        assert.deepEqual(decodeJson(encodeJson(value)), JSON.parse(JSON.stringify(value))),
      ),
    )
    assert.equal(decodeJson(Buffer.alloc(0)), null)
  })
})
