import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { parseCloudEvents, toCloudEvent } from '../../src/events/cloudevents.ts'
import { traceOf } from '../../src/events/trace.ts'
import { fromCloudEvent, fromMessage } from '../../src/triggers/queue/normalize.ts'
import { makeEnvelope } from '../support/make.ts'

const OURS = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01'
const THEIRS = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00'

describe('the place of an event in a trace', () => {
  it('is read from what is well-formed, and from nothing else', () => {
    assert.deepEqual(traceOf({ traceparent: OURS, tracestate: 'a=b' }), {
      traceparent: OURS,
      tracestate: 'a=b',
    })
    const zero = (length: number): string => '0'.repeat(length)
    const bad = [
      undefined,
      1,
      '',
      OURS.toUpperCase(),
      `${OURS}-`,
      `${OURS}\n`,
      OURS.replace('00-', 'ff-'),
      `00-${zero(32)}-00f067aa0ba902b7-01`,
      `00-4bf92f3577b34da6a3ce929d0e0e4736-${zero(16)}-01`,
    ]
    for (const traceparent of bad) assert.deepEqual(traceOf({ traceparent, tracestate: 'a=b' }), {})
    for (const tracestate of ['', 'x'.repeat(513), 'a=\u0000', ['a=b']])
      assert.deepEqual(traceOf({ traceparent: OURS, tracestate }), { traceparent: OURS })
  })

  it('comes with a CloudEvent, or else with the request that brings it, and goes out again', () => {
    const body = (more: object): Buffer =>
      Buffer.from(JSON.stringify({ specversion: '1.0', id: '1', source: '/s', type: 't', ...more }))
    const headers = { 'content-type': 'application/cloudevents+json' }
    const of = (more: object) =>
      parseCloudEvents(headers, body(more)).map((event) => fromCloudEvent(event, { traceparent: THEIRS }))[0]
    assert.equal(of({ traceparent: OURS })?.traceparent, OURS)
    assert.equal(of({})?.traceparent, THEIRS)
    assert.equal(of({ traceparent: 'odd' })?.traceparent, THEIRS)
    assert.equal(toCloudEvent(makeEnvelope({ traceparent: OURS })).traceparent, OURS)
    assert.ok(!('traceparent' in toCloudEvent(makeEnvelope())))
  })

  it('comes with the headers of a message', () => {
    const message = { queue: 'q', data: 1, key: null, delayMs: 0 }
    assert.equal(fromMessage({ ...message, headers: { traceparent: OURS } }).traceparent, OURS)
    assert.equal(fromMessage({ ...message, trace: { traceparent: THEIRS } }).traceparent, THEIRS)
    assert.ok(!('traceparent' in fromMessage(message)))
  })
})
