import { fileTypeFromBuffer, supportedMimeTypes } from 'file-type'

/** How much of a file is looked at to tell its type, in bytes. */
export const SNIFF_BYTES = 65_536

const BINARY = 'application/octet-stream'
const TEXT = 'text/plain'
const SVG = 'image/svg+xml'
const OWN_TYPES = [BINARY, TEXT, SVG, 'text/html', 'application/xml', 'application/json']

/** Formats whose files may be plain text throughout. Any other signature in plain text is a coincidence, or a trick. */
const TEXT_FORMATS = [
  'application/pdf',
  'application/rtf',
  'application/postscript',
  'text/calendar',
  'text/vcard',
]

const CONTROL = /[\0-\x08\x0b\x0e-\x1a\x1c-\x1f\x7f]/
const HTML =
  /^<(?:!doctype\s+html|!--|html|head|body|script|iframe|style|title|table|div|font|svg|img|h1|br|a|b|p)[\s/>]/i
const SVG_NAMESPACE = /\sxmlns\s*=\s*["']http:\/\/www\.w3\.org\/2000\/svg["']/

/**
 * The content type, told from a file's first bytes (`head`, all of it if the file is shorter than `SNIFF_BYTES`). What
 * reads as text is never an image, a video or a program, whatever it begins with.
 */
export async function sniff(head: Uint8Array, size: number): Promise<string> {
  if (size === 0) return BINARY
  const text = asText(head, size > head.length)
  const mime = await signature(head)
  if (text === null) return mime ?? BINARY
  const markup = markupType(text)
  if (markup !== null) return markup
  if (mime !== null && TEXT_FORMATS.includes(mime)) return mime
  return size <= head.length && isJson(text) ? 'application/json' : TEXT
}

/** Whether a type is one of `accept`; an empty list takes all. `image/*` leaves out SVG, which can carry scripts. */
export function accepts(accept: readonly string[], type: string): boolean {
  if (accept.length === 0) return true
  return accept.some((entry) => {
    const wanted = entry.toLowerCase()
    if (wanted === type || wanted === '*/*') return true
    return wanted.endsWith('/*') && type !== SVG && type.startsWith(wanted.slice(0, -1))
  })
}

/** Whether content can ever be told to be of this type: CSV and Markdown, say, are just text. */
export function canTell(entry: string): boolean {
  return [...supportedMimeTypes, ...OWN_TYPES].some((type) => accepts([entry], type))
}

function asText(head: Uint8Array, cut: boolean): string | null {
  try {
    const text = new TextDecoder('utf-8', { fatal: true }).decode(head, { stream: cut })
    return CONTROL.test(text) ? null : text
  } catch {
    return null
  }
}

async function signature(head: Uint8Array): Promise<string | null> {
  try {
    const found = await fileTypeFromBuffer(head)
    return found?.mime.split(';', 1)[0]?.toLowerCase() ?? null
  } catch {
    return null
  }
}

function markupType(text: string): string | null {
  const start = text.trimStart()
  if (!start.startsWith('<')) return null
  const root = afterProlog(start)
  const svgTag = /^<svg(?=[\s>])[^>]*>/.exec(root)?.[0]
  if (svgTag !== undefined && SVG_NAMESPACE.test(svgTag)) return SVG
  if (start.startsWith('<?xml'))
    return /^<(?:!doctype\s+)?html[\s/>]/i.test(root) ? 'text/html' : 'application/xml'
  return HTML.test(start) || HTML.test(root) ? 'text/html' : null
}

/** Skips `<?…?>`, comments and a doctype that is not HTML's. */
function afterProlog(text: string): string {
  let rest = text
  for (;;) {
    const end = rest.startsWith('<?')
      ? '?>'
      : rest.startsWith('<!--')
        ? '-->'
        : /^<!doctype\s+svg/i.test(rest)
          ? '>'
          : null
    const at = end === null ? -1 : rest.indexOf(end)
    if (end === null || at < 0) return rest
    rest = rest.slice(at + end.length).trimStart()
  }
}

function isJson(text: string): boolean {
  if (!/^\s*[[{]/.test(text)) return false
  try {
    JSON.parse(text)
    return true
  } catch {
    return false
  }
}
