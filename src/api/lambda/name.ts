import { ARN_PREFIX, lambdaName } from '../../runtime/lambda/names.ts'
import type { LoadedFunction } from '../../runtime/runtime.ts'
import { LambdaError } from './error.ts'

/** A name, `name:qualifier`, a partial or a whole ARN. */
const SPELLING =
  /^(?:(?:arn:aws[\w-]*:lambda:[\w-]*:)?\d{12}:function:|function:)?([\w./-]{1,200})(?::([\w$-]{1,128}))?$/

/**
 * The function that a client means: by its id (`orders/place`), or with a `-` for each `/`. The qualifier, wherever it
 * stands, is `$LATEST` or the version that is served now.
 *
 * @throws LambdaError ResourceNotFoundException, InvalidParameterValueException.
 */
export function resolveFunction(
  functions: readonly LoadedFunction[],
  spelling: string,
  qualifier: string | undefined,
): LoadedFunction {
  const [, name, suffix] = SPELLING.exec(spelling) ?? []
  if (name === undefined)
    throw invalid(`FunctionName must be a name or an ARN, got ${JSON.stringify(spelling.slice(0, 200))}`)
  if (suffix !== undefined && qualifier !== undefined && suffix !== qualifier)
    throw invalid('The derived qualifier from the function name does not match the specified qualifier.')
  const version = suffix ?? qualifier ?? '$LATEST'
  const fn = findByName(functions, name)
  if (fn && (version === '$LATEST' || version === fn.version)) return fn
  const arn = ARN_PREFIX + name + (version === '$LATEST' ? '' : `:${version}`)
  throw new LambdaError('ResourceNotFoundException', `Function not found: ${arn}`)
}

function findByName(functions: readonly LoadedFunction[], name: string): LoadedFunction | undefined {
  const exact = functions.find(({ id }) => id === name)
  if (exact) return exact
  const found = functions.filter(({ id }) => lambdaName(id) === name)
  if (found.length <= 1) return found[0]
  throw invalid(`${name} may be any of ${found.map(({ id }) => id).join(', ')}: say which by its id`)
}

function invalid(message: string): LambdaError {
  return new LambdaError('InvalidParameterValueException', message)
}
