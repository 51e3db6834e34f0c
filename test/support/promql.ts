/** A metric as an expression asks for it. */
export interface Asked {
  readonly metric: string
  /** That its braces name. */
  readonly labels: readonly string[]
}

const METRIC = /\b((?:tappet|nodejs|process)_\w+)(?:\{([^}]*)\})?/g
const MATCHER = /(\w+)\s*(?:=~|!~|!=|=)\s*"(?:[^"\\]|\\.)*"/g
const GROUPED = /\b(?:by|without|on|ignoring)\s*\(([^)]*)\)/g
const SHOWN = /\{\{\s*(?:\$labels\.)?(\w+)\s*\}\}/g

/** The metrics that an expression of PromQL reads. */
export function metricsIn(expression: string): Asked[] {
  return [...expression.matchAll(METRIC)].map(([, metric = '', braces = '']) => ({
    metric,
    labels: [...braces.matchAll(MATCHER)].map(([, label = '']) => label),
  }))
}

/** The labels that it groups by. */
export function groupedBy(expression: string): string[] {
  return [...expression.matchAll(GROUPED)].flatMap(([, list = '']) =>
    list.split(',').map((label) => label.trim()),
  )
}

/** The labels that a legend or a summary shows. */
export function labelsShown(text: string): string[] {
  return [...text.matchAll(SHOWN)].map(([, label = '']) => label)
}

/** Every metric of a Prometheus text, with the labels of its series. */
export function seriesOf(text: string): Map<string, Set<string>> {
  const series = new Map<string, Set<string>>()
  for (const [, name = '', braces = ''] of text.matchAll(/^(\w+)(?:\{(.*)\})? \S+$/gm)) {
    const labels = series.get(name) ?? new Set()
    for (const [, label = ''] of braces.matchAll(/(\w+)="(?:[^"\\]|\\.)*"/g)) labels.add(label)
    series.set(name, labels)
  }
  return series
}
