import { request } from '../api.ts'
import { useLoaded } from '../live.ts'
import { bytes, number } from '../text.ts'
import { Answer } from './parts.tsx'

/** A stored file: one version of a key. */
export interface StoredFile {
  readonly id: string
  readonly key: string
  readonly size: number
  readonly contentType: string
  readonly sha256: string
  readonly createdAt: string
}

const MAX_IMAGE_BYTES = 5 * 1_048_576
const MAX_TEXT_BYTES = 16_384
const IMAGES = /^image\/(png|jpeg|gif|webp|avif|bmp|svg\+xml)$/
const TEXTS = /^(text\/.*|application\/(json|xml|yaml|toml|javascript|x-ndjson|sql)|[^;]*\+(json|xml))($|;)/

/** What a browser can show; null: nothing, or it is too large. */
export function previewOf({ contentType, size }: StoredFile): 'image' | 'text' | null {
  if (size === 0) return null
  if (IMAGES.test(contentType)) return size <= MAX_IMAGE_BYTES ? 'image' : null
  return TEXTS.test(contentType) ? 'text' : null
}

type Shown = { readonly image: string } | { readonly text: string } | { readonly replaced: true }

/** The image, or the beginning of the text. */
export function Preview({ file }: { readonly file: StoredFile }) {
  const shown = useLoaded(() => load(file), ONCE)
  return (
    <Answer of={shown}>
      {(content) => {
        if ('replaced' in content)
          return <p class="empty">A newer file has this key; this one is kept, but not given out.</p>
        if ('image' in content)
          return <img class="preview" src={content.image} alt={`Preview of ${file.key}`} />
        return (
          <>
            <pre tabIndex={0} aria-label={`Preview of ${file.key}`}>
              {content.text}
            </pre>
            {file.size > MAX_TEXT_BYTES && (
              <p class="count">
                The first {number(MAX_TEXT_BYTES)} bytes of {bytes(file.size)}.
              </p>
            )}
          </>
        )
      }}
    </Answer>
  )
}

/** What is stored does not change. */
const ONCE = 2_147_483_647

async function load(file: StoredFile): Promise<Shown> {
  const kind = previewOf(file)
  const range = kind === 'text' ? { range: `bytes=0-${MAX_TEXT_BYTES - 1}` } : {}
  const path = `uploads/${file.key.split('/').map(encodeURIComponent).join('/')}`
  const response = await request(path, { headers: range })
  if (response.headers.get('etag') !== `"${file.sha256}"`) return { replaced: true }
  if (kind === 'text') return { text: await response.text() }
  return { image: await toDataUrl(new Blob([await response.arrayBuffer()], { type: file.contentType })) }
}

/** The page's policy lets in images of its own and those that stand in the page. */
function toDataUrl(blob: Blob): Promise<string> {
  return new Promise((resolve, reject) => {
    const reader = new FileReader()
    reader.addEventListener('load', () => resolve(reader.result as string))
    reader.addEventListener('error', () => reject(reader.error ?? new Error('it cannot be read')))
    reader.readAsDataURL(blob)
  })
}
