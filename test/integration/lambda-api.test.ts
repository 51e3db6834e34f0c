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
