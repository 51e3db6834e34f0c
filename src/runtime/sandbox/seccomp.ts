import { CALLS, type Calls, CLONE3 } from './seccomp-calls.ts'

/**
 * The filter of system calls that sandboxes have, as a compiled program of classic BPF: what `bwrap --seccomp` reads and the
 * kernel runs at each call (Documentation/userspace-api/seccomp_filter.rst; `struct sock_filter`, 8 bytes an instruction).
 * Null for an architecture whose numbers we do not know.
 *
 * - A call by another calling convention (32-bit on x86_64) kills the process: its numbers mean other calls. So does x32.
 * - The calls of `seccomp-calls.ts`, and `clone` with a flag that makes a namespace, fail with EPERM.
 * - `clone3` fails with ENOSYS, so that the C library falls back to `clone`, whose flags can be seen.
 * - `socket` of another family than local, IPv4, IPv6 and netlink fails with EAFNOSUPPORT: a network namespace does not
 *   hold what vsock reaches, and the others are rarely used parts of the kernel.
 * - `ioctl` that types into a terminal (TIOCSTI, TIOCLINUX) fails with EPERM.
 *
 * All else is allowed: it is a list of what is refused, because Node, libraries and native modules may need what is new.
 */
export function seccompFilter(architecture: string = process.arch): Buffer | null {
  const calls = CALLS[architecture]
  return calls ? encode(program(calls)) : null
}

/** The descriptor on which `bwrap` reads it. */
export const SECCOMP_FD = 4

interface Instruction {
  readonly code: number
  /** How many instructions are left out if the condition holds, and if it does not: `jt` and `jf` of the kernel. */
  readonly jt?: number
  readonly jf?: number
  readonly value: number
}

const LOAD = 0x20 // BPF_LD | BPF_W | BPF_ABS
const EQUAL = 0x15 // BPF_JMP | BPF_JEQ | BPF_K
const AT_LEAST = 0x35 // BPF_JMP | BPF_JGE | BPF_K
const ANY_BIT = 0x45 // BPF_JMP | BPF_JSET | BPF_K
const RETURN = 0x06 // BPF_RET | BPF_K

/** Offsets in `struct seccomp_data`; of an argument, the lower half (both architectures are little-endian). */
const NUMBER = 0
const ARCHITECTURE = 4
const argument = (index: number): number => 16 + 8 * index

const KILL = 0x80000000
const ALLOW = 0x7fff0000
const refuse = (errno: number): number => 0x00050000 | errno
const EPERM = 1
const ENOSYS = 38
const EAFNOSUPPORT = 97

/** CLONE_NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID, NEWNET. The bit of NEWTIME is part of a signal here. */
const NAMESPACES = 0x7e020000
/** AF_UNIX, AF_INET, AF_INET6, AF_NETLINK. */
const FAMILIES = [1, 2, 10, 16] as const
/** TIOCSTI, TIOCLINUX. */
const TYPING = [0x5412, 0x541c] as const

function program({ audit, foreignFrom, clone, socket, ioctl, refused }: Calls): readonly Instruction[] {
  return [
    load(ARCHITECTURE),
    { code: EQUAL, value: audit, jt: 1 },
    answer(KILL),
    load(NUMBER),
    ...(foreignFrom === null ? [] : [{ code: AT_LEAST, value: foreignFrom, jf: 1 }, answer(KILL)]),
    ...Object.values(refused).flatMap((number) => when(number, [answer(refuse(EPERM))])),
    ...when(CLONE3, [answer(refuse(ENOSYS))]),
    ...when(clone, [
      load(argument(0)),
      { code: ANY_BIT, value: NAMESPACES, jf: 1 },
      answer(refuse(EPERM)),
      answer(ALLOW),
    ]),
    ...when(socket, [
      load(argument(0)),
      ...FAMILIES.flatMap((family) => when(family, [answer(ALLOW)])),
      answer(refuse(EAFNOSUPPORT)),
    ]),
    ...when(ioctl, [
      load(argument(1)),
      ...TYPING.flatMap((request) => when(request, [answer(refuse(EPERM))])),
      answer(ALLOW),
    ]),
    answer(ALLOW),
  ]
}

function load(offset: number): Instruction {
  return { code: LOAD, value: offset }
}

function answer(value: number): Instruction {
  return { code: RETURN, value }
}

/** Leaves `body` out unless what was loaded last is `value`. The body must end with an answer. */
function when(value: number, body: readonly Instruction[]): readonly Instruction[] {
  return [{ code: EQUAL, value, jf: body.length }, ...body]
}

const INSTRUCTION_BYTES = 8

function encode(instructions: readonly Instruction[]): Buffer {
  const bytes = Buffer.alloc(instructions.length * INSTRUCTION_BYTES)
  for (const [index, { code, jt = 0, jf = 0, value }] of instructions.entries()) {
    const at = index * INSTRUCTION_BYTES
    bytes.writeUInt16LE(code, at)
    bytes.writeUInt8(jt, at + 2)
    bytes.writeUInt8(jf, at + 3)
    bytes.writeUInt32LE(value >>> 0, at + 4)
  }
  return bytes
}
