import { basename, dirname, sep } from 'node:path'
import { fileURLToPath } from 'node:url'
import { VERSION } from '../../lib/version.ts'
import { FUNCTIONS, type TriggerName } from './functions.ts'

/** The files of a new project by their paths, with a function for each of the triggers. */
export function projectFiles(folder: string, triggers: readonly TriggerName[]): Map<string, string> {
  const files = new Map<string, string>([
    ['package.json', packageJson(basename(folder))],
    ['tsconfig.json', TSCONFIG],
    ['.gitignore', 'node_modules/\n.tappet/\n.env\n.env.*\n!.env.example\n'],
    ['.env.example', ENVIRONMENT],
  ])
  const schemas: string[] = []
  for (const trigger of triggers) {
    const { code, schema } = FUNCTIONS[trigger](NAMES[trigger])
    files.set(`functions/${NAMES[trigger]}.ts`, code)
    if (schema !== undefined) schemas.push(schema)
  }
  if (schemas.length > 0) files.set('functions/schema.sql', schemas.join('\n'))
  return files
}

export const NAMES: Readonly<Record<TriggerName, string>> = {
  http: 'hello',
  postgres: 'welcome',
  upload: 'files',
  cron: 'every-minute',
  queue: 'emails',
}

function packageJson(folder: string): string {
  const name =
    folder
      .toLowerCase()
      .replaceAll(/[^a-z0-9-]+/g, '-')
      .replaceAll(/^-+|-+$/g, '') || 'functions'
  const content = {
    name,
    private: true,
    type: 'module',
    scripts: { dev: 'tappet dev', start: 'tappet start' },
    dependencies: { tappet: ownSpec(), zod: '^4.0.0' },
  }
  return `${JSON.stringify(content, null, 2)}\n`
}

/** This version, or this folder when it is no installed package. */
function ownSpec(): string {
  const root = dirname(fileURLToPath(new URL('../../../package.json', import.meta.url)))
  return root.split(sep).includes('node_modules') ? VERSION : `file:${root}`
}

const TSCONFIG = `${JSON.stringify(
  {
    compilerOptions: {
      target: 'es2023',
      module: 'nodenext',
      strict: true,
      noEmit: true,
      skipLibCheck: true,
      allowImportingTsExtensions: true,
      verbatimModuleSyntax: true,
    },
    include: ['functions'],
  },
  null,
  2,
)}\n`

const ENVIRONMENT = `# Copy this to .env. Without it, Tappet brings a Postgres of its own, and needs no Redis.
# DATABASE_URL=postgres://user:password@localhost:5432/app
# REDIS_URL=redis://localhost:6379
`
