import { parseArgs } from 'node:util'
import { rollDice } from '../chaos/dice.ts'
import { checkCase, rollCase, ZONES } from '../support/cron-cases.ts'
import { machine, writeReport } from './report.ts'

// `npm run cron-oracle [-- --cases 50000 --seed 7 --report]`: random expressions, zones and instants against an oracle
// that walks through the minutes.

const { values } = parseArgs({
  options: {
    cases: { type: 'string', default: '50000' },
    seed: { type: 'string' },
    report: { type: 'boolean', default: false },
  },
})

const seed = Number(values.seed ?? Math.floor(Math.random() * 2 ** 31))
const cases = Number(values.cases)
const SHOWN = 10

console.log(`cron against an oracle: ${cases} cases in ${ZONES.length} zones; seed ${seed}`)
const dice = rollDice(seed)
const started = performance.now()
let wrong = 0
for (let done = 0; done < cases; done++) {
  try {
    checkCase(rollCase(dice))
  } catch (error) {
    wrong++
    if (wrong <= SHOWN) console.log(`✖ ${(error as Error).message}`)
  }
  if (process.stderr.isTTY && done % 100 === 0)
    process.stderr.write(`\r\u001b[K${done}/${cases}, wrong ${wrong}`)
}
if (process.stderr.isTTY) process.stderr.write('\r\u001b[K')
const seconds = Math.round((performance.now() - started) / 1_000)
console.log(
  wrong === 0 ? `all agree (${seconds} s)` : `WRONG: ${wrong} cases; run it again with --seed ${seed}`,
)
process.exitCode = wrong === 0 ? 0 : 1
if (values.report) {
  await writeReport('cron-oracle.md', 'Cron against an oracle', {
    command: `npm run cron-oracle -- --cases ${cases} --seed ${seed} --report`,
    machine: machine(),
    rows: [
      ['cases (expression, zone, instant)', String(cases)],
      ['zones', String(ZONES.length)],
      ['instants', '2012 to 2035, three of four within a day of a change of the zone’s clock'],
      ['that disagree with the oracle, forwards or backwards', String(wrong)],
    ],
  })
}
