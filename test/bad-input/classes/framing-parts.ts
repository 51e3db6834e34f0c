/** Bytes on a socket, and which statuses the answers must have, in order; 0 stands for no answer. */
export interface Bytes {
  readonly what: string
  readonly bytes: string | Buffer | readonly (string | Buffer)[]
  /** For each answer, what it may be. */
  readonly want: readonly (readonly number[])[]
  /** The request never ends by itself. */
  readonly open?: boolean
}

export const HEAD = 'POST /in HTTP/1.1\r\nHost: here\r\nConnection: close\r\n'
export const BODY = 'Content-Type: application/json\r\nContent-Length: 2\r\n\r\n{}'
export const REFUSED = [[400]]
export const TAKEN = [[202]]

export const withHeaders = (headers: string): string => `${HEAD}${headers}${BODY}`
export const chunked = (body: string): string => `${HEAD}Transfer-Encoding: chunked\r\n\r\n${body}`
export const hex = (code: number): string => `0x${code.toString(16).padStart(2, '0')}`
export const latin1 = (text: string): Buffer => Buffer.from(text, 'latin1')
