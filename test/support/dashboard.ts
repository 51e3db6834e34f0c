import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { mkdir, readFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { delimiter, join } from 'node:path'
import { type Browser, chromium, type Page } from 'playwright-core'
import { eventually } from './eventually.ts'
import { makeProject, type Environment, type Project, type Running } from './project.ts'
import { testDatabase } from './services.ts'

const found = ['chromium', 'chromium-browser', 'google-chrome']
  .flatMap((name) => (process.env.PATH ?? '').split(delimiter).map((folder) => join(folder, name)))
  .find((path) => existsSync(path))

/** Why tests in a browser are skipped; false: they are not. */
export const noBrowser = found === undefined ? 'no Chromium on the PATH' : false

/** Where pictures are kept, if somebody asks for them. */
const PICTURES = process.env.TAPPET_TEST_PICTURES

/** A project that is served, and its dashboard in a browser. */
export interface Dashboard {
  readonly databaseUrl: string
  readonly project: Project
  readonly node: Running
  readonly page: Page
  /** What the browser's console has said as errors, and what was thrown; emptied by whoever expects it. */
  readonly said: string[]
  /** Goes to a page, and waits until all of it is loaded. */
  open(path: string): Promise<void>
  see(text: string | RegExp): Promise<void>
  /** A message to the queue `emails`. */
  send(to: string): Promise<{ readonly runs: readonly string[] }>
  /** The page in both themes and on a phone: axe finds nothing, nothing is wider than the screen. */
  inspect(path: string): Promise<void>
  close(): Promise<void>
}

export async function openDashboard(
  files: Readonly<Record<string, string>>,
  environment: Environment = {},
): Promise<Dashboard> {
  const database = await testDatabase()
  const project = await makeProject(files)
  const node = await project.start({ DATABASE_URL: database.url, ...environment })
  const browser: Browser = await chromium.launch({ executablePath: found ?? '', args: ['--no-sandbox'] })
  const page = await browser.newPage({ viewport: DESK })
  const said: string[] = []
  page.on('console', (message) => void (message.type() === 'error' && said.push(message.text())))
  page.on('pageerror', (error) => said.push(error.message))
  page.on('dialog', (dialog) => void dialog.accept())

  const open = async (path: string): Promise<void> => {
    await page.goto(`${node.url}/_tappet/#/${path}`)
    await page.waitForSelector('main h1')
    await eventually(async () => (await page.locator('[aria-busy]').count()) === 0, 'all is loaded')
  }
  return {
    ...{ databaseUrl: database.url, project, node, page, said, open },
    see: (text) => page.getByText(text).first().waitFor({ timeout: 15_000 }),
    send: (to) =>
      node.api('/_tappet/queues/emails', {
        method: 'POST',
        body: JSON.stringify({ to }),
        headers: { 'content-type': 'application/json' },
      }),
    async inspect(path) {
      for (const theme of ['light', 'dark'] as const) {
        await page.emulateMedia({ colorScheme: theme })
        await open(path)
        await keepPicture(page, `${path}-${theme}`)
        assert.deepEqual(await violations(page), [], `${path} in ${theme}`)
      }
      await page.setViewportSize(PHONE)
      await open(path)
      await keepPicture(page, `${path}-phone`)
      const wide = await page.evaluate('document.documentElement.scrollWidth > innerWidth + 1')
      await page.setViewportSize(DESK)
      assert.equal(wide, false, `${path} is wider than a phone`)
    },
    async close() {
      await browser.close()
      await node.stop()
      await project.remove()
      await database.drop()
    },
  }
}

const DESK = { width: 1_280, height: 860 }
const PHONE = { width: 390, height: 800 }

async function keepPicture(page: Page, name: string): Promise<void> {
  if (PICTURES === undefined) return
  await mkdir(PICTURES, { recursive: true })
  const file = name.replaceAll(/\W+/g, '-').replace(/^-/, 'overview-')
  await page.screenshot({ path: join(PICTURES, `${file}.png`) })
}

/** Evaluated past the page's policy, which lets no script in but its own. */
async function violations(page: Page): Promise<string[]> {
  const axe = await readFile(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')
  return page.evaluate(
    `(() => { const module = { exports: {} }; ${axe}; return (module.exports.run ?? axe.run)(document).then((r) => r.violations.map((v) => v.id + ': ' + v.nodes.map((n) => n.html.slice(0, 200)).join(' | '))) })()`,
  )
}
