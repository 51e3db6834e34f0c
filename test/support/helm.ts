import { parseAllDocuments } from 'yaml'

type Values = Readonly<Record<string, unknown>>

/** Every `.Values.a.b` that a template reads. */
export function valuesRead(template: string): string[] {
  return [...template.matchAll(/\$?\.Values((?:\.\w+)+)/g)].map(([, path = '']) => path.slice(1))
}

export function lookUp(values: Values, path: string): unknown {
  return path.split('.').reduce<unknown>((at, key) => (at as Values | undefined)?.[key], values)
}

/**
 * The YAML of a template with every action gone: control lines are dropped, what they print stands as a word, and
 * blocks that are indented by `nindent` as an empty list of comments. Enough to see that it is YAML, whichever way it goes.
 *
 * @throws Error when it is not.
 */
export function skeletonOf(template: string): unknown[] {
  const text = template
    .split('\n')
    .filter((line) => !/^\s*\{\{-? *(if|else|end|range|define|include|toYaml)\b.*\}\}\s*$/.test(line))
    .join('\n')
    .replaceAll(/\{\{.*?\}\}/g, 'x')
  return parseAllDocuments(text).flatMap((document) => {
    const [error] = 'errors' in document ? document.errors : []
    if (error) throw error
    return document.contents === null ? [] : [document.toJS() as unknown]
  })
}
