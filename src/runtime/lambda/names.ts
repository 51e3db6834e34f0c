const ALPHABET = '0123456789ABCDEFGHJKMNPQRSTVWXYZ'

/** The 128 bits of a run's ULID in the form of a UUID: Lambda's request id and ours name the same run. */
export function requestIdOf(runId: string): string {
  const digits = runId.slice(runId.indexOf('_') + 1)
  let value = 0n
  for (const digit of digits) value = value * 32n + BigInt(Math.max(0, ALPHABET.indexOf(digit)))
  const hex = BigInt.asUintN(128, value).toString(16).padStart(32, '0')
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5')
}

/** Account and region of ARNs are not ours to have: these are what we answer. */
export const ARN_PREFIX = 'arn:aws:lambda:local:000000000000:function:'

/** `orders/place` as Lambda spells names. */
export function lambdaName(functionId: string): string {
  return functionId.replaceAll(/[^\w-]/g, '-')
}

export function arnOf(functionId: string): string {
  return ARN_PREFIX + lambdaName(functionId)
}
