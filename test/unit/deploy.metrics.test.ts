import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { before, describe, test } from 'node:test'
import { parse } from 'yaml'
import { createMetrics } from '../../src/api/metrics.ts'
import { createMemoryQueue } from '../../src/queue/memory.ts'
import { createMemoryStore } from '../../src/store/memory/store.ts'
import { makeFunction } from '../support/make.ts'
import { groupedBy, labelsShown, metricsIn, seriesOf } from '../support/promql.ts'

const DEPLOY = join(import.meta.dirname, '..', '..', 'deploy')
const read = (file: string): Promise<string> => readFile(join(DEPLOY, file), 'utf8')
/** What Prometheus itself puts on every series. */
const OWN = ['instance', 'job']

interface Panel {
  readonly title: string
  readonly targets: readonly { readonly expr: string; readonly legendFormat?: string }[]
  readonly gridPos: { readonly x: number; readonly y: number; readonly w: number; readonly h: number }
}

interface Board {
  readonly panels: readonly Panel[]
  readonly templating: { readonly list: readonly { readonly name: string; readonly definition?: string }[] }
}

interface Rules {
  readonly groups: readonly {
    readonly rules: readonly {
      readonly alert: string
      readonly expr: string
      readonly annotations: { readonly summary: string }
    }[]
  }[]
}

describe('what asks for metrics', () => {
  let series: Map<string, Set<string>>

  before(async () => {
    const metrics = createMetrics()
    metrics.eventAccepted('http.request', 'accepted')
    for (const status of ['completed', 'retry', 'dead'] as const)
      metrics.runFinished({ functionId: 'mail/send', status, durationMs: 1 })
    const stats = async () => [{ functionId: 'mail/send', state: 'dead' as const, count: 1 }]
    const store = { ...createMemoryStore(), stats }
    const functions = [makeFunction({ id: 'mail/send' })]
    series = seriesOf(await metrics.render({ store, queue: createMemoryQueue(), functions }))
  })

  const check = (where: string, expression: string, shown: string): void => {
    const asked = metricsIn(expression)
    assert.ok(asked.length > 0, where)
    const grouped = groupedBy(expression)
    for (const { metric, labels } of asked) {
      const known = series.get(metric)
      assert.ok(known, `${where}: there is no ${metric}`)
      for (const label of [...labels, ...grouped])
        assert.ok(known.has(label) || OWN.includes(label), `${where}: ${metric} has no label ${label}`)
    }
    // Without a grouping, what is shown is a label of the series.
    const left =
      grouped.length > 0 ? grouped : asked.flatMap(({ metric }) => [...(series.get(metric) ?? []), ...OWN])
    for (const label of labelsShown(shown)) assert.ok(left.includes(label), `${where} shows ${label}`)
  }

  test('alerts: metrics, labels, and what their summaries show, exist', async () => {
    const { groups } = parse(await read('prometheus/rules.yaml')) as Rules
    const rules = groups.flatMap((group) => group.rules)
    assert.ok(rules.length >= 5)
    for (const { alert, expr, annotations } of rules) check(alert, expr, annotations.summary)
  })

  test('the board: metrics, labels and legends exist, and so do its variables', async () => {
    const { panels, templating } = JSON.parse(await read('grafana/dashboard.json')) as Board
    const variables = templating.list.map(({ name }) => name)
    assert.ok(panels.length >= 10)
    for (const { title, targets } of panels) {
      for (const { expr, legendFormat = '' } of targets) {
        check(title, expr, legendFormat)
        for (const [, name = ''] of expr.matchAll(/\$(\w+)/g))
          assert.ok(name === '__rate_interval' || variables.includes(name), `${title}: $${name}`)
      }
    }
  })

  test('the board: what its variables list exists', async () => {
    const { templating } = JSON.parse(await read('grafana/dashboard.json')) as Board
    for (const { name, definition } of templating.list) {
      if (definition === undefined) continue
      const [, metric = '', label = ''] = /^label_values\((\w+), (\w+)\)$/.exec(definition) ?? []
      assert.ok(series.get(metric)?.has(label), name)
    }
  })

  test('the board: every metric of our own is on it, and no panel covers another', async () => {
    const text = await read('grafana/dashboard.json')
    const ours = [...series.keys()].filter((name) => name.startsWith('tappet_'))
    const without = ours.filter((name) => !text.includes(name.replace(/_(sum|count)$/, '')))
    assert.deepEqual(without, [])
    const { panels } = JSON.parse(text) as Board
    const cells = panels.flatMap(({ gridPos: { x, y, w, h } }) =>
      Array.from({ length: w * h }, (_, i) => `${x + (i % w)},${y + Math.floor(i / w)}`),
    )
    assert.equal(new Set(cells).size, cells.length)
    for (const { gridPos } of panels) assert.ok(gridPos.x + gridPos.w <= 24)
  })

  test('a metric or label that does not exist is noticed', () => {
    assert.throws(() => check('x', 'rate(tappet_nothing_total[5m])', ''), /no tappet_nothing_total/)
    assert.throws(() => check('x', 'tappet_runs{colour="red"}', ''), /no label colour/)
    assert.throws(() => check('x', 'sum by (colour) (tappet_runs)', ''), /no label colour/)
    assert.throws(() => check('x', 'sum by (state) (tappet_runs)', '{{function}}'), /shows function/)
  })
})
