import { type Load, measure, type OpenSide, type SideOptions } from '../harness/side.ts'

/** The process of one side: `child.ts <file in sides/> <export> <options as JSON>`, asked over Node's channel. */
const [file = '', name = '', options = '{}'] = process.argv.slice(2)
const sides = (await import(`./${file}.ts`)) as Readonly<Record<string, OpenSide>>
const open = sides[name]
if (!open) throw new Error(`sides/${file}.ts has no ${name}`)
const side = await open(JSON.parse(options) as SideOptions)

process.on('message', (load: Load | 'close') => {
  void (async () => {
    if (load === 'close') {
      await Promise.race([side.close(), new Promise((resolve) => setTimeout(resolve, 5_000))])
      process.exit(0)
    }
    process.send?.(await measure(async () => side.once?.(load.bytes), load))
  })()
})
process.once('disconnect', () => process.exit(1))
process.send?.({ ready: true, info: side.info ?? null })
