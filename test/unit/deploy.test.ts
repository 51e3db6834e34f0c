import assert from 'node:assert/strict'
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { parse } from 'yaml'
import { lookUp, skeletonOf, valuesRead } from '../support/helm.ts'

const DEPLOY = join(import.meta.dirname, '..', '..', 'deploy')
const read = (file: string): Promise<string> => readFile(join(DEPLOY, file), 'utf8')
const templates = async (): Promise<string[]> => readdir(join(DEPLOY, 'helm', 'templates'))

interface Compose {
  readonly services: Readonly<
    Record<string, { image?: string; depends_on?: object; volumes?: string[]; ports?: string[] }>
  >
  readonly volumes: object
}

describe('what deploy/ has', () => {
  test('compose: services and volumes that are named are there, images are pinned, only loopback is open', async () => {
    const { services, volumes } = parse(await read('compose.yaml')) as Compose
    for (const { image, depends_on: needs = {}, volumes: mounts = [], ports = [] } of Object.values(
      services,
    )) {
      if (image !== undefined) assert.match(image, /:(v?\d[\w.-]*)$/)
      for (const name of Object.keys(needs)) assert.ok(name in services, name)
      for (const mount of mounts.filter((one) => !one.startsWith('.')))
        assert.ok((mount.split(':')[0] ?? '') in volumes, mount)
      for (const port of ports) assert.match(port, /^127\.0\.0\.1:/)
    }
  })

  test('compose mounts files that are there', async () => {
    const mounted = [...(await read('compose.yaml')).matchAll(/- \.\/([\w./-]+):/g)].map(
      ([, file = '']) => file,
    )
    assert.ok(mounted.length >= 2)
    for (const file of mounted) assert.ok((await read(file)).length > 0)
  })

  test('the chart: every value that a template reads is given', async () => {
    const values = parse(await read('helm/values.yaml')) as Record<string, unknown>
    for (const file of await templates())
      for (const path of valuesRead(await read(`helm/templates/${file}`)))
        assert.notEqual(lookUp(values, path), undefined, `${file}: .Values.${path}`)
  })

  test('the chart: every template is YAML with a kind, and its blocks are closed', async () => {
    for (const file of (await templates()).filter((name) => name.endsWith('.yaml'))) {
      const template = await read(`helm/templates/${file}`)
      const opened = [...template.matchAll(/\{\{-? *(?:if|range|define|with)\b/g)].length
      const closed = [...template.matchAll(/\{\{-? *end\b/g)].length
      assert.equal(opened, closed, file)
      const documents = skeletonOf(template) as { readonly kind?: string; readonly apiVersion?: string }[]
      assert.ok(documents.length > 0, file)
      for (const { kind, apiVersion } of documents) assert.ok(kind && apiVersion, file)
    }
  })

  test('the chart and the units know the roles that there are', async () => {
    const { ROLES } = await import('../../src/config.ts')
    const { roles } = parse(await read('helm/values.yaml')) as { readonly roles: object }
    assert.deepEqual(Object.keys(roles).toSorted(), ROLES.toSorted())
    assert.match(await read('systemd/tappet-worker@.service'), /--role worker/)
  })
})
