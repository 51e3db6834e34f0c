import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { describe, it } from 'node:test'
import { CALLS, CLONE3 } from '../../src/runtime/sandbox/seccomp-calls.ts'
import { seccompFilter } from '../../src/runtime/sandbox/seccomp.ts'

const KILL = 'killed'
const ALLOW = 'allowed'
const EPERM = 'errno 1'

/** What the kernel would do: an interpreter of the few instructions that there are. */
function judge(filter: Buffer, audit: number, number: number, args: readonly number[] = []): string {
  const data = Buffer.alloc(64)
  data.writeUInt32LE(number, 0)
  data.writeUInt32LE(audit, 4)
  for (const [index, value] of args.entries()) data.writeBigUInt64LE(BigInt(value), 16 + 8 * index)
  let loaded = 0
  for (let at = 0; at < filter.length; at += 8) {
    const [code, jt, jf, value] = [
      filter.readUInt16LE(at),
      filter.readUInt8(at + 2),
      filter.readUInt8(at + 3),
      filter.readUInt32LE(at + 4),
    ]
    const jump = (holds: boolean): number => 8 * (holds ? jt : jf)
    if (code === 0x20) loaded = data.readUInt32LE(value)
    else if (code === 0x15) at += jump(loaded === value)
    else if (code === 0x35) at += jump(loaded >= value)
    else if (code === 0x45) at += jump((loaded & value) >>> 0 !== 0)
    else if (code === 0x06) return said(value)
    else throw new Error(`no instruction: ${code}`)
  }
  throw new Error('the program ended without an answer')
}

function said(value: number): string {
  if (value === 0x80000000) return KILL
  return value === 0x7fff0000 ? ALLOW : `errno ${value & 0xffff}`
}

for (const [architecture, calls] of Object.entries(CALLS)) {
  describe(`the filter of system calls on ${architecture}`, () => {
    const filter = seccompFilter(architecture) as Buffer
    const on = (number: number, ...args: number[]): string => judge(filter, calls.audit, number, args)

    it('refuses what is listed, and nothing else, among all numbers', () => {
      const refused = new Set(Object.values(calls.refused))
      for (let number = 0; number < 1_024; number++) {
        const special = [CLONE3, calls.socket].includes(number)
        if (!special) assert.equal(on(number), refused.has(number) ? EPERM : ALLOW, String(number))
      }
    })

    it('kills what calls by another convention', () => {
      for (const audit of [0x40000003, 0x40000028, 0]) assert.equal(judge(filter, audit, 1), KILL)
      if (calls.foreignFrom !== null) {
        assert.equal(on(calls.foreignFrom + 1), KILL)
        assert.equal(on(0xffffffff), KILL)
      }
    })

    it('refuses namespaces, families of sockets and typing by their arguments', () => {
      assert.equal(on(CLONE3), 'errno 38')
      // What fork() and a thread ask for.
      for (const flags of [0x01200011, 0x003d0f00]) assert.equal(on(calls.clone, flags), ALLOW)
      for (let bit = 25; bit <= 30; bit++) assert.equal(on(calls.clone, 2 ** bit + 17), EPERM)
      assert.equal(on(calls.clone, 0x00020000), EPERM)
      for (const family of [1, 2, 10, 16]) assert.equal(on(calls.socket, family), ALLOW)
      for (const family of [0, 3, 17, 29, 38, 40, 44]) assert.equal(on(calls.socket, family), 'errno 97')
      for (const request of [0x5412, 0x541c]) assert.equal(on(calls.ioctl, 0, request), EPERM)
      assert.equal(on(calls.ioctl, 0, 0x5413), ALLOW)
    })
  })
}

/** The kernel's tables, as its headers have them. */
const HEADERS: Readonly<Record<string, string>> = {
  x64: '/usr/include/x86_64-linux-gnu/asm/unistd_64.h',
  arm64: '/usr/include/asm-generic/unistd.h',
}

for (const [architecture, header] of Object.entries(HEADERS)) {
  const skip = existsSync(header) ? false : `there is no ${header}`
  it(`the numbers are those of the kernel's headers: ${architecture}`, { skip }, () => {
    const text = readFileSync(header, 'utf8')
    const known = new Map<string, number>()
    for (const [, name = '', number] of text.matchAll(/^#define __NR(?:3264)?_(\w+)\s+(\d+)/gm))
      known.set(name, Number(number))
    const { clone, socket, ioctl, refused } = CALLS[architecture]!
    const wanted = Object.entries({ ...refused, clone, socket, ioctl, clone3: CLONE3 })
    const found = wanted.filter(([name]) => known.has(name))
    // Headers of an older kernel lack the newest.
    assert.ok(found.length >= wanted.length - 6, `only ${found.length} of ${wanted.length}`)
    assert.deepEqual(
      found,
      found.map(([name]) => [name, known.get(name)]),
    )
  })
}

it('there is none for other architectures', () => {
  assert.equal(seccompFilter('riscv64'), null)
})
