import type { FunctionRuntime, LoadedFunction } from './runtime.ts'

type Name = NonNullable<LoadedFunction['runtime']>

/** One runtime out of several: each function goes to the one that it names. */
export function createRuntimeByLanguage(runtimes: Readonly<Record<Name, FunctionRuntime>>): FunctionRuntime {
  const all = [...new Set(Object.values(runtimes))]
  const of = ({ runtime = 'node' }: LoadedFunction): FunctionRuntime => runtimes[runtime]
  return {
    run: (fn, ...rest) => of(fn).run(fn, ...rest),
    serve: (fn, ...rest) => of(fn).serve(fn, ...rest),
    admit: (fn, ...rest) => of(fn).admit(fn, ...rest),
    retain(functions) {
      for (const runtime of all) runtime.retain(functions.filter((fn) => of(fn) === runtime))
    },
    close: async () => void (await Promise.all(all.map((runtime) => runtime.close()))),
  }
}
