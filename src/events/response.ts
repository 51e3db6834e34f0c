/** A web `Response` that a function returned, as JSON: how it travels to the caller who waits. */
export interface EncodedResponse {
  readonly '~response': {
    readonly status: number
    readonly headers: readonly (readonly [string, string])[]
    /** Base64; empty for none. */
    readonly body: string
  }
}

export async function encodeResponse(response: Response): Promise<EncodedResponse> {
  const body = Buffer.from(await response.arrayBuffer()).toString('base64')
  return { '~response': { status: response.status, headers: [...response.headers], body } }
}

export function isEncodedResponse(value: unknown): value is EncodedResponse {
  return typeof value === 'object' && value !== null && '~response' in value
}
