import { Readable } from 'node:stream'
import type { Scope } from '../../access/scopes.ts'
import { newId } from '../../lib/id.ts'
import { arnOf, lambdaName, requestIdOf } from '../../runtime/lambda/names.ts'
import type { LoadedFunction } from '../../runtime/runtime.ts'
import type { AdminDeps } from '../deps.ts'
import type { HttpReply, HttpRequest } from '../server.ts'
import { toLambdaReply } from './error.ts'
import { type Call, readCall, start, type Started, waitFor } from './invoke.ts'
import { resolveFunction } from './name.ts'
import { responseFrames } from './stream.ts'

type Answer = (request: HttpRequest, reply: HttpReply, deps: AdminDeps) => Promise<HttpReply>

/**
 * The Invoke API of AWS Lambda, so that its SDKs and command line run functions here: `Invoke`, `InvokeAsync`,
 * `InvokeWithResponseStream`, and enough of `ListFunctions` and `GetFunction` to find them. Clients give a key of ours
 * as their session token; their signature is not looked at, because keys are kept as hashes only.
 */
export function registerLambdaRoutes(deps: AdminDeps): void {
  const { server } = deps
  const route = (scope: Scope, method: 'GET' | 'POST', url: string, answer: Answer): void =>
    void server.route({
      ...{ method, url, config: { scope }, onRequest: takeSessionToken },
      handler: (request, reply) => answer(request, reply, deps),
      errorHandler: (error, _request, reply) => void refuse(reply, error),
    })
  route('operate', 'POST', '/2015-03-31/functions/:name/invocations', invoke)
  route('operate', 'POST', '/2014-11-13/functions/:name/invoke-async', invokeAsync)
  route(
    'operate',
    'POST',
    '/2021-11-15/functions/:name/response-streaming-invocations',
    invokeWithResponseStream,
  )
  route('read', 'GET', '/2015-03-31/functions', listFunctions)
  route('read', 'GET', '/2015-03-31/functions/:name', getFunction)
  route('read', 'GET', '/2015-03-31/functions/:name/configuration', getConfiguration)
}

/** Signed requests carry their signature where our key would be. */
async function takeSessionToken({ headers }: HttpRequest): Promise<void> {
  const token = headers['x-amz-security-token']
  if (typeof token === 'string') headers.authorization = `Bearer ${token}`
}

function refuse(reply: HttpReply, error: unknown): HttpReply {
  const { status, headers, body } = toLambdaReply(error)
  const requestId = requestIdOf(newId('msg'))
  return reply
    .code(status)
    .headers({ ...headers, 'x-amzn-requestid': requestId })
    .send(body)
}

function named(reply: HttpReply, { fn }: Call, { runId, requestId }: Started): HttpReply {
  const ids = { 'x-amzn-requestid': requestId, 'x-tappet-run-id': runId }
  return reply.headers({ ...ids, 'x-amz-executed-version': fn.version })
}

function dryRun(reply: HttpReply): HttpReply {
  return reply
    .code(204)
    .header('x-amzn-requestid', requestIdOf(newId('msg')))
    .send()
}

const invoke: Answer = async (request, reply, deps) => {
  const call = await readCall(request, deps)
  if (call.type === 'DryRun') return dryRun(reply)
  const started = await start(call, deps)
  if (call.type === 'Event') return named(reply, call, started).code(202).send()
  const { payload, functionError, logResult } = await waitFor(call, started, deps)
  if (functionError !== null) reply.header('x-amz-function-error', functionError)
  if (logResult !== null) reply.header('x-amz-log-result', logResult)
  return named(reply, call, started).code(200).type('application/json').send(payload)
}

const invokeAsync: Answer = async (request, reply, deps) => {
  const call = await readCall(request, deps, ['Event'])
  return named(reply, call, await start(call, deps))
    .code(202)
    .send({ Status: 202 })
}

const invokeWithResponseStream: Answer = async (request, reply, deps) => {
  const call = await readCall(request, deps, ['RequestResponse', 'DryRun'])
  if (call.type === 'DryRun') return dryRun(reply)
  const started = await start(call, deps)
  const ended = await waitFor(call, started, deps)
  return named(reply, call, started)
    .code(200)
    .type('application/vnd.amazon.eventstream')
    .send(Readable.from(responseFrames(ended)))
}

const listFunctions: Answer = async (_request, reply, { catalog }) =>
  reply.send({ Functions: catalog().functions.map(configurationOf) })

const getConfiguration: Answer = async (request, reply, deps) =>
  reply.send(configurationOf(functionOf(request, deps)))

const getFunction: Answer = async (request, reply, deps) => {
  const fn = functionOf(request, deps)
  return reply.send({ Configuration: configurationOf(fn), Tags: { 'tappet:function': fn.id } })
}

function functionOf(request: HttpRequest, { catalog }: AdminDeps): LoadedFunction {
  const { name = '' } = request.params as { readonly name?: string }
  const { Qualifier } = request.query as { readonly Qualifier?: string }
  return resolveFunction(catalog().functions, name, Qualifier)
}

function configurationOf({ id, version, timeoutMs }: LoadedFunction): object {
  return {
    FunctionName: lambdaName(id),
    FunctionArn: arnOf(id),
    Description: id,
    PackageType: 'Zip',
    Timeout: Math.ceil(timeoutMs / 1_000),
    CodeSha256: version,
    Version: '$LATEST',
    State: 'Active',
    LastUpdateStatus: 'Successful',
  }
}
