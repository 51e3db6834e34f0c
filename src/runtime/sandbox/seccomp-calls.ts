/**
 * System calls that a sandboxed process is refused, by architecture. Numbers are those of the kernel's tables: x86_64's own
 * (arch/x86/entry/syscalls/syscall_64.tbl), and the generic one of arm64 (include/uapi/asm-generic/unistd.h). From 424 on
 * they are the same everywhere.
 */
export interface Calls {
  /** What `seccomp_data.arch` must be (include/uapi/linux/audit.h). */
  readonly audit: number
  /** From this number on they belong to another calling convention, x32; null where there is none. */
  readonly foreignFrom: number | null
  readonly clone: number
  readonly socket: number
  readonly ioctl: number
  /** Refused with EPERM, whatever their arguments. */
  readonly refused: Readonly<Record<string, number>>
}

const EVERYWHERE = {
  // Namespaces and mounts. Flags of clone3 are in memory, where a filter cannot look: see `seccomp.ts`.
  ...{ open_tree: 428, move_mount: 429, fsopen: 430, fsconfig: 431, fsmount: 432, fspick: 433 },
  ...{ mount_setattr: 442, statmount: 457, listmount: 458, open_tree_attr: 467 },
  // A large part of the kernel, with a record of its own.
  ...{ io_uring_setup: 425, io_uring_enter: 426, io_uring_register: 427 },
  // Other processes' descriptors and memory.
  ...{ pidfd_getfd: 438, process_madvise: 440, quotactl_fd: 443, process_mrelease: 448 },
} as const

export const CLONE3 = 435

export const CALLS: Readonly<Record<string, Calls>> = {
  x64: {
    audit: 0xc000003e,
    foreignFrom: 0x40000000,
    ...{ clone: 56, socket: 41, ioctl: 16 },
    refused: {
      ...EVERYWHERE,
      ...{ ptrace: 101, process_vm_readv: 310, process_vm_writev: 311, kcmp: 312 },
      ...{ kexec_load: 246, kexec_file_load: 320, reboot: 169 },
      ...{ create_module: 174, init_module: 175, delete_module: 176, finit_module: 313 },
      ...{ get_kernel_syms: 177, query_module: 178, uselib: 134, _sysctl: 156, sysfs: 139, ustat: 136 },
      ...{ mount: 165, umount2: 166, pivot_root: 155, chroot: 161, unshare: 272, setns: 308 },
      ...{ add_key: 248, request_key: 249, keyctl: 250 },
      ...{ bpf: 321, perf_event_open: 298, userfaultfd: 323, lookup_dcookie: 212 },
      ...{ swapon: 167, swapoff: 168, acct: 163, quotactl: 179, nfsservctl: 180, syslog: 103 },
      ...{ settimeofday: 164, clock_settime: 227, clock_adjtime: 305, adjtimex: 159 },
      ...{ sethostname: 170, setdomainname: 171, vhangup: 153 },
      ...{ iopl: 172, ioperm: 173, modify_ldt: 154 },
      ...{ name_to_handle_at: 303, open_by_handle_at: 304, fanotify_init: 300 },
      ...{
        mbind: 237,
        set_mempolicy: 238,
        migrate_pages: 256,
        move_pages: 279,
        set_mempolicy_home_node: 450,
      },
    },
  },
  arm64: {
    audit: 0xc00000b7,
    foreignFrom: null,
    ...{ clone: 220, socket: 198, ioctl: 29 },
    refused: {
      ...EVERYWHERE,
      ...{ ptrace: 117, process_vm_readv: 270, process_vm_writev: 271, kcmp: 272 },
      ...{ kexec_load: 104, kexec_file_load: 294, reboot: 142 },
      ...{ init_module: 105, delete_module: 106, finit_module: 273 },
      ...{ mount: 40, umount2: 39, pivot_root: 41, chroot: 51, unshare: 97, setns: 268 },
      ...{ add_key: 217, request_key: 218, keyctl: 219 },
      ...{ bpf: 280, perf_event_open: 241, userfaultfd: 282, lookup_dcookie: 18 },
      ...{ swapon: 224, swapoff: 225, acct: 89, quotactl: 60, nfsservctl: 42, syslog: 116 },
      ...{ settimeofday: 170, clock_settime: 112, clock_adjtime: 266, adjtimex: 171 },
      ...{ sethostname: 161, setdomainname: 162, vhangup: 58 },
      ...{ name_to_handle_at: 264, open_by_handle_at: 265, fanotify_init: 262 },
      ...{
        mbind: 235,
        set_mempolicy: 237,
        migrate_pages: 238,
        move_pages: 239,
        set_mempolicy_home_node: 450,
      },
    },
  },
}
