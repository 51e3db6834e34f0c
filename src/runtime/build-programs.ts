import { bundleProgram, PROGRAMS } from './own-programs.ts'

// Run at the end of a build.
await Promise.all(PROGRAMS.map((name) => bundleProgram(name)))
