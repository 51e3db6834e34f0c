import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { parse, parseAllDocuments } from 'yaml'
import { API } from '../../src/api/paths.ts'
import { ROUTES } from '../../src/api/routes.ts'
import { lookUp, skeletonOf } from '../support/helm.ts'

const DEPLOY = join(import.meta.dirname, '..', '..', 'deploy')
const read = (file: string): Promise<string> => readFile(join(DEPLOY, file), 'utf8')

interface Trigger {
  readonly type: string
  readonly metadata: Readonly<Record<string, string>>
  readonly authenticationRef: { readonly name: string }
}

interface ScaledObject {
  readonly kind: string
  readonly apiVersion: string
  readonly metadata: { readonly name: string }
  readonly spec: {
    readonly scaleTargetRef: { readonly kind: string; readonly name: string }
    readonly secretTargetRef: readonly {
      readonly parameter: string
      readonly name: string
      readonly key: string
    }[]
    readonly triggers: readonly Trigger[]
    readonly minReplicaCount: number
    readonly maxReplicaCount: number
  }
}

/** Prints the actions of a template that only look values up, and leaves out the conditions: all of them hold. */
async function rendered(file: string): Promise<string> {
  const values = parse(await read('helm/values.yaml')) as Record<string, unknown>
  return (await read(`helm/templates/${file}`))
    .replaceAll(/^.*\{\{-? *(if|end|include)\b.*$\n/gm, '')
    .replaceAll(/^ *labels:\n/gm, '')
    .replaceAll(/\{\{ \.Release\.\w+ \}\}/g, 'tappet')
    .replaceAll(/\{\{ \.Values\.([\w.]+) \}\}/g, (_, path: string) => String(lookUp(values, path)))
}

function objects(text: string): ScaledObject[] {
  return parseAllDocuments(text).map((document) => document.toJS() as ScaledObject)
}

const SOURCES = [
  ['the file', () => read('keda/scaledobject.yaml')],
  ['the chart', () => rendered('keda.yaml')],
] as const

describe('scaling by KEDA', () => {
  for (const [name, source] of SOURCES) {
    test(`${name}: asks the route that there is for a number that it answers`, async () => {
      const [authentication, scaled] = objects(await source())
      assert.ok(authentication && scaled)
      assert.deepEqual([authentication.kind, scaled.kind], ['TriggerAuthentication', 'ScaledObject'])
      const [trigger] = scaled.spec.triggers
      assert.ok(trigger)
      assert.deepEqual([trigger.type, trigger.metadata.authMode], ['metrics-api', 'bearer'])
      const url = new URL(trigger.metadata.url ?? '')
      const route = ROUTES.find(({ method, path }) => method === 'GET' && `${API}${path}` === url.pathname)
      assert.ok(route, url.pathname)
      assert.equal(route.scope, 'read')
      assert.ok(route.query?.safeParse(Object.fromEntries(url.searchParams)).success)
      const answer = { waiting: 1, running: 2, desired: 3, oldestMs: 4 }
      assert.ok(route.answer?.safeParse(answer).success)
      assert.ok((trigger.metadata.valueLocation ?? '') in answer)
      // A number in YAML is none for KEDA: its metadata are strings.
      for (const value of Object.values(trigger.metadata)) assert.equal(typeof value, 'string')
    })

    test(`${name}: its parts name each other, and the workers`, async () => {
      const [authentication, scaled] = objects(await source())
      assert.equal(scaled?.spec.triggers[0]?.authenticationRef.name, authentication?.metadata.name)
      assert.equal(authentication?.spec.secretTargetRef[0]?.parameter, 'token')
      assert.deepEqual(scaled?.spec.scaleTargetRef, { kind: 'Deployment', name: 'tappet-worker' })
      const { minReplicaCount, maxReplicaCount } = scaled.spec
      assert.ok(minReplicaCount >= 1 && minReplicaCount < maxReplicaCount)
    })
  }

  test('the chart: is off by default, and then says nothing of it', async () => {
    const { keda } = parse(await read('helm/values.yaml')) as { readonly keda: { readonly enabled: boolean } }
    assert.equal(keda.enabled, false)
    assert.match(
      await read('helm/templates/keda.yaml'),
      /^\{\{- if \.Values\.keda\.enabled \}\}\n[^]*\{\{- end \}\}\n$/,
    )
    assert.ok(skeletonOf(await read('helm/templates/keda.yaml')).length >= 2)
  })

  test('the chart: leaves the number of workers to the scaler', async () => {
    const deployment = await read('helm/templates/deployment.yaml')
    assert.match(
      deployment,
      /if not \(and \$\.Values\.keda\.enabled \(eq \$role "worker"\)\) \}\}\n {2}replicas: .*\n {2}\{\{- end \}\}/,
    )
  })
})
