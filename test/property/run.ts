import { spawnSync } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'

// `npm run properties [-- --runs 10000 --seed 7 --only store]`: the property and model tests, with many more cases than a
// commit gets. A failure prints the seed and the path with which fast-check finds it again.

const { values } = parseArgs({
  options: {
    runs: { type: 'string', default: '10000' },
    seed: { type: 'string' },
    only: { type: 'string', default: '' },
  },
})
const seed = values.seed ?? String(Math.floor(Math.random() * 2 ** 31))
const files = readdirSync(import.meta.dirname)
  .filter((name) => name.endsWith('.test.ts') && name.includes(values.only))
  .map((name) => join(import.meta.dirname, name))
console.log(`properties: ${values.runs} cases each, --seed ${seed}`)
const args = ['--import', 'tsx', '--test', '--test-concurrency=2', '--test-reporter=spec', ...files]
const env = { ...process.env, TAPPET_PROPERTY_RUNS: values.runs, TAPPET_PROPERTY_SEED: seed }
process.exitCode = spawnSync(process.execPath, args, { stdio: 'inherit', env }).status ?? 1
