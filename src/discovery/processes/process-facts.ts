/** The program file of a process. */
export interface Executable {
  /** As the process itself sees it, in its own mount namespace. */
  readonly path: string;
  /** Removed or replaced since it was started. Then only /proc/PID/exe leads to it. */
  readonly deleted: boolean;
  /** Of /proc/PID/exe by stat(2). On overlayfs these are not the device and inode that the kernel attaches probes to. */
  readonly dev: bigint;
  readonly ino: bigint;
}

/** What /proc says about one process at one moment. Unreadable fields are undefined. */
export interface ProcessFacts {
  readonly pid: number;
  readonly ppid: number;
  /** The kernel's name of the main thread, at most 15 bytes. */
  readonly comm: string;
  /**
   * When the process was made: nanoseconds since boot by CLOCK_BOOTTIME, in steps of 10 ms. Together with `pid` it identifies a process for
   * good. It cannot be compared with a ktime: bpf_ktime_get_ns() is CLOCK_MONOTONIC, which stands still while the machine is suspended.
   */
  readonly startBootNs: bigint;
  /** The real user id. */
  readonly uid: number | undefined;
  readonly exe: Executable | undefined;
  /** The arguments, the program's own name first. A process can overwrite them. */
  readonly argv: readonly string[] | undefined;
}
