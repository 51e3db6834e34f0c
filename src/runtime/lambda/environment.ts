import { dirname } from 'node:path'
import type { LoadedFunction } from '../runtime.ts'
import { lambdaName } from './names.ts'

const REGION = 'local'

/** What Lambda tells a runtime by its environment. What the function's own names is left as it is. */
export function lambdaEnvironment(
  fn: LoadedFunction,
  address: string,
  own: Readonly<Record<string, string>>,
): Record<string, string> {
  const name = lambdaName(fn.id)
  const folder = dirname(fn.bundle)
  return {
    AWS_REGION: REGION,
    AWS_DEFAULT_REGION: REGION,
    // What a program in Python prints would come with a later run, or never.
    PYTHONUNBUFFERED: '1',
    ...own,
    AWS_LAMBDA_RUNTIME_API: address,
    _HANDLER: fn.handler ?? '',
    LAMBDA_TASK_ROOT: folder,
    LAMBDA_RUNTIME_DIR: folder,
    AWS_LAMBDA_FUNCTION_NAME: name,
    AWS_LAMBDA_FUNCTION_VERSION: '$LATEST',
    AWS_LAMBDA_FUNCTION_MEMORY_SIZE: String(fn.memoryMb),
    AWS_LAMBDA_LOG_GROUP_NAME: `/tappet/${name}`,
    AWS_LAMBDA_LOG_STREAM_NAME: `[$LATEST]${fn.version}`,
    AWS_LAMBDA_INITIALIZATION_TYPE: fn.provisioned > 0 ? 'provisioned-concurrency' : 'on-demand',
  }
}
