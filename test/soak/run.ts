import { mkdir, writeFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import { parseArgs } from 'node:util'
import { judgeSoak, toReport } from './report.ts'
import { soak } from './soak.ts'

/**
 * All triggers at half of what the cluster can do, a fault a minute, and what its processes and servers use, every ten
 * seconds; then three times what it can do.
 *
 * `npm run soak [-- --minutes 60 --overload 300 --engine redis --seed 7 --report FILE]`
 */
const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '60' },
    overload: { type: 'string', default: '300' },
    engine: { type: 'string', default: 'redis' },
    seed: { type: 'string' },
    report: { type: 'string' },
  },
})

const seed = Number(values.seed ?? Math.floor(Math.random() * 2 ** 31))
const minutes = Number(values.minutes)
const { engine } = values
if (engine !== 'redis' && engine !== 'postgres')
  throw new Error(`--engine must be redis or postgres, got ${JSON.stringify(engine)}`)
console.log(`soak: ${minutes} min on ${engine}, then ${values.overload} s of overload; seed ${seed}`)
const result = await soak({
  ...{ engine, minutes, overloadSeconds: Number(values.overload), seed },
  onProgress: (line) => process.stderr.write(`\r\u001b[K${line}`),
})
process.stderr.write('\r\u001b[K')
const wrong = judgeSoak(result, minutes)
const text = toReport(result, wrong, {
  ...{ engine, minutes, seed },
  command: `npm run soak -- ${process.argv.slice(2).join(' ')}${values.seed ? '' : ` --seed ${seed}`}`,
})
console.log(text)
if (values.report) {
  await mkdir(dirname(values.report), { recursive: true })
  await writeFile(values.report, text)
}
if (wrong.length > 0) console.log(`WRONG; the log of the processes: ${result.logFile}`)
process.exitCode = wrong.length === 0 ? 0 : 1
