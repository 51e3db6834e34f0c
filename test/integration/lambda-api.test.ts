import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import {
  GetFunctionCommand,
  InvokeAsyncCommand,
  InvokeCommand,
  type InvokeCommandInput,
  InvokeWithResponseStreamCommand,
  LambdaClient,
  ListFunctionsCommand,
} from '@aws-sdk/client-lambda'
import { type AdminServer, KEY, startAdmin } from '../support/admin.ts'
import { eventually } from '../support/eventually.ts'

const credentials = (sessionToken: string) => ({
  accessKeyId: 'tappet',
  secretAccessKey: 'unused',
  sessionToken,
})
const json = (bytes: Uint8Array | undefined): unknown =>
  JSON.parse(Buffer.from(bytes ?? []).toString() || 'null')

describe('the official SDK of AWS Lambda', () => {
  let server: AdminServer
  let client: LambdaClient

  before(async () => {
    server = await startAdmin()
    client = makeClient(KEY)
  })
  after(async () => {
    client.destroy()
    await server.close()
  })

  const makeClient = (key: string) =>
    new LambdaClient({ endpoint: server.url, region: 'local', credentials: credentials(key), maxAttempts: 1 })
  const invoke = (more: Partial<InvokeCommandInput> & { FunctionName: string }, payload?: unknown) =>
    client.send(
      new InvokeCommand({ ...(payload !== undefined && { Payload: JSON.stringify(payload) }), ...more }),
    )
  const refuses = (work: Promise<unknown>, name: string, status: number, message: RegExp) =>
    assert.rejects(work, (error: Error & { $metadata?: { httpStatusCode?: number } }) => {
      assert.deepEqual([error.name, error.$metadata?.httpStatusCode], [name, status])
      return message.test(error.message)
    })

  test('calls a function and gets its result', async () => {
    const answer = await invoke({ FunctionName: 'orders-place' }, { id: 'o1', total: 5 })
    assert.deepEqual([answer.StatusCode, answer.FunctionError], [200, undefined])
    assert.equal(answer.ExecutedVersion, server.functions.find(({ id }) => id === 'orders/place')?.version)
    assert.deepEqual((json(answer.Payload) as { placed: unknown }).placed, { id: 'o1', total: 5 })
    assert.match(answer.$metadata.requestId ?? '', /^[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}$/)
  })

  test('finds it by its id, a partial and a whole ARN, and by its version', async () => {
    const version = server.functions.find(({ id }) => id === 'mail/send')?.version ?? ''
    const arn = 'arn:aws:lambda:eu-central-1:123456789012:function:mail-send'
    for (const FunctionName of [
      'mail/send',
      'function:mail-send',
      '123456789012:function:mail-send',
      arn,
      `${arn}:$LATEST`,
    ])
      assert.equal(json((await invoke({ FunctionName }, {})).Payload), 'sent', FunctionName)
    assert.equal((await invoke({ FunctionName: 'mail-send', Qualifier: version }, {})).StatusCode, 200)
    await refuses(
      invoke({ FunctionName: 'mail-send', Qualifier: 'prod' }, {}),
      'ResourceNotFoundException',
      404,
      /mail-send:prod/,
    )
    await refuses(invoke({ FunctionName: 'nobody' }, {}), 'ResourceNotFoundException', 404, /nobody/)
    await refuses(
      invoke({ FunctionName: 'mail-send:a', Qualifier: 'b' }, {}),
      'InvalidParameterValueException',
      400,
      /qualifier/,
    )
  })

  test('is told of a failure with status 200, after one attempt, and reads the end of the log', async () => {
    const answer = await invoke({ FunctionName: 'mail-send', LogType: 'Tail' }, { to: 'a@b.co', fail: true })
    assert.deepEqual([answer.StatusCode, answer.FunctionError], [200, 'Unhandled'])
    const { errorType, errorMessage, trace } = json(answer.Payload) as Record<string, string>
    assert.deepEqual([errorType, errorMessage], ['FatalError', 'mailbox 42 of "a@b.co" is full'])
    assert.ok(Array.isArray(trace) && trace.length > 1)
    const log = Buffer.from(answer.LogResult ?? '', 'base64').toString()
    const id = answer.$metadata.requestId
    assert.match(log, new RegExp(`^START RequestId: ${id} Version: \\w+\\n`))
    assert.match(log, /\tINFO\tsending \{"to":"a@b.co"\}\n/)
    assert.match(
      log,
      new RegExp(
        `END RequestId: ${id}\\nREPORT RequestId: ${id}\\tDuration: [\\d.]+ ms\\tBilled Duration: \\d+ ms`,
      ),
    )
  })

  test('hands an event over and does not wait', async () => {
    const answer = await invoke({ FunctionName: 'mail-send', InvocationType: 'Event' }, { to: 'later' })
    assert.deepEqual([answer.StatusCode, json(answer.Payload)], [202, null])
    const command = new InvokeAsyncCommand({ FunctionName: 'mail-send', InvokeArgs: '{"to":"older"}' })
    assert.equal((await client.send(command)).Status, 202)
    await eventually(async () => {
      const runs = await server.store.runs({ functionId: 'mail/send' })
      const events = await Promise.all(runs.map(({ eventId }) => server.store.event(eventId)))
      const sent = events.map((event) => (event?.envelope.data as { to?: string } | undefined)?.to)
      return sent.includes('later') && sent.includes('older')
    }, 'both are in the ledger')
  })

  test('a dry run changes nothing', async () => {
    const before = (await server.store.runs({})).length
    assert.equal((await invoke({ FunctionName: 'mail-send', InvocationType: 'DryRun' }, {})).StatusCode, 204)
    assert.equal((await server.store.runs({})).length, before)
  })

  test('reads a result as a stream, and a failure at its end', async () => {
    const stream = async (payload: object) => {
      const command = new InvokeWithResponseStreamCommand({
        FunctionName: 'mail-send',
        LogType: 'Tail',
        Payload: JSON.stringify(payload),
      })
      const chunks: Uint8Array[] = []
      let complete
      for await (const event of (await client.send(command)).EventStream ?? []) {
        if (event.PayloadChunk?.Payload) chunks.push(event.PayloadChunk.Payload)
        complete = event.InvokeComplete ?? complete
      }
      return { text: Buffer.concat(chunks).toString(), complete }
    }
    const good = await stream({})
    assert.equal(good.text, '"sent"')
    assert.ok((good.complete?.LogResult?.length ?? 0) > 0)
    const bad = await stream({ fail: true })
    assert.deepEqual([bad.text, bad.complete?.ErrorCode], ['', 'Unhandled'])
    assert.match(bad.complete?.ErrorDetails ?? '', /mailbox 42/)
  })

  test('takes any JSON, and nothing, as payload', async () => {
    const dataOf = async (more: Partial<InvokeCommandInput>): Promise<unknown> =>
      json((await client.send(new InvokeCommand({ FunctionName: 'reports-nightly', ...more }))).Payload)
    assert.deepEqual(await dataOf({ Payload: '{"day":"2026-01-31"}' }), { day: '2026-01-31' })
    // Of nothing, a schedule makes a tick.
    for (const text of ['"text"', '7', '[1,"ä",null]', 'true'])
      assert.deepEqual(await dataOf({ Payload: text }), JSON.parse(text), text)
    assert.deepEqual(await dataOf({}), {})
  })

  test('has no log unless it asks for it, nor for an event', async () => {
    for (const LogType of ['None', undefined] as const)
      assert.equal(
        (await invoke({ FunctionName: 'mail-send', ...(LogType && { LogType }) }, {})).LogResult,
        undefined,
      )
    const event = await invoke({ FunctionName: 'mail-send', InvocationType: 'Event', LogType: 'Tail' }, {})
    assert.deepEqual([event.StatusCode, event.LogResult, event.FunctionError], [202, undefined, undefined])
  })

  test('is refused what its type does not take: a function, a version, a payload, a type', async () => {
    for (const InvocationType of ['Event', 'DryRun'] as const) {
      const missing = invoke({ FunctionName: 'nobody', InvocationType }, {})
      await refuses(missing, 'ResourceNotFoundException', 404, /nobody/)
      const version = invoke({ FunctionName: 'mail-send', InvocationType, Qualifier: '99' }, {})
      await refuses(version, 'ResourceNotFoundException', 404, /mail-send:99/)
      const bad = invoke({ FunctionName: 'mail-send', InvocationType, Payload: '{' })
      await refuses(bad, 'InvalidRequestContentException', 400, /Could not parse/)
    }
    const large = JSON.stringify({ to: 'x'.repeat(1_048_576) })
    const event = invoke({ FunctionName: 'mail-send', InvocationType: 'Event', Payload: large })
    await refuses(event, 'RequestTooLargeException', 413, /1048576 bytes/)
    const odd = invoke({ FunctionName: 'mail-send', InvocationType: 'Later' as 'Event' }, {})
    await refuses(odd, 'InvalidParameterValueException', 400, /x-amz-invocation-type must be one of/)
    const log = invoke({ FunctionName: 'mail-send', LogType: 'Head' as 'Tail' }, {})
    await refuses(log, 'InvalidParameterValueException', 400, /x-amz-log-type must be one of/)
  })

  test('reads a large result as a stream in several pieces; a dry run has none, and an event cannot be streamed', async () => {
    const stream = (more: object) =>
      client.send(new InvokeWithResponseStreamCommand({ FunctionName: 'orders-place', ...more }))
    const id = 'ä'.repeat(100_000)
    const { EventStream, StatusCode, ResponseStreamContentType, ExecutedVersion, $metadata } = await stream({
      Payload: JSON.stringify({ id }),
      Qualifier: '$LATEST',
    })
    const chunks: Uint8Array[] = []
    for await (const event of EventStream ?? [])
      if (event.PayloadChunk?.Payload) chunks.push(event.PayloadChunk.Payload)
      else assert.deepEqual(event.InvokeComplete, {})
    assert.ok(chunks.length > 1, `${chunks.length} chunks`)
    assert.equal((json(Buffer.concat(chunks)) as { placed: { id: string } }).placed.id, id)
    const version = server.functions.find((fn) => fn.id === 'orders/place')?.version
    assert.deepEqual([StatusCode, ExecutedVersion], [200, version])
    assert.equal(ResponseStreamContentType, 'application/vnd.amazon.eventstream')
    assert.match($metadata.requestId ?? '', /^[\da-f-]{36}$/)

    const before = (await server.store.runs({})).length
    assert.equal((await stream({ InvocationType: 'DryRun' })).StatusCode, 204)
    const event = stream({ InvocationType: 'Event' })
    await refuses(event, 'InvalidParameterValueException', 400, /RequestResponse, DryRun/)
    await refuses(stream({ Qualifier: '99' }), 'ResourceNotFoundException', 404, /orders-place:99/)
    await refuses(
      stream({ Payload: '{"total":"many"}' }),
      'InvalidRequestContentException',
      400,
      /TPT_EVENT_INVALID/,
    )
    assert.equal((await server.store.runs({})).length, before)
  })

  test('is refused without a key, with bad JSON, with too much, and with what a schema does not take', async () => {
    const stranger = makeClient('tpt_nobody')
    const send = stranger.send(new InvokeCommand({ FunctionName: 'mail-send' }))
    await refuses(send, 'UnrecognizedClientException', 403, /key/)
    stranger.destroy()
    const raw = (Payload: string) => invoke({ FunctionName: 'mail-send', Payload })
    await refuses(raw('{"a":'), 'InvalidRequestContentException', 400, /Could not parse/)
    await refuses(raw(`"${'x'.repeat(6_291_457)}"`), 'RequestTooLargeException', 413, /6291456 bytes/)
    const wrong = invoke({ FunctionName: 'orders-place' }, { total: 'many' })
    await refuses(wrong, 'InvalidRequestContentException', 400, /TPT_EVENT_INVALID/)
  })

  test('lists what there is', async () => {
    const { Functions } = await client.send(new ListFunctionsCommand({}))
    assert.ok(Functions?.some(({ FunctionName }) => FunctionName === 'orders-place'))
    const { Configuration } = await client.send(new GetFunctionCommand({ FunctionName: 'orders/place' }))
    assert.deepEqual([Configuration?.Description, Configuration?.State], ['orders/place', 'Active'])
  })
})
