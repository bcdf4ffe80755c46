/** USER_HZ, the unit of times in /proc/PID/stat: 100 on x86-64 and arm64, for any tick of the kernel. */
const nsPerTick = 10_000_000n;

/** PF_KTHREAD of include/linux/sched.h. */
const kernelThreadFlag = 0x00200000;

export interface ProcStat {
  /** The kernel's name of the main thread, at most 15 bytes. */
  readonly comm: string;
  /** One letter: R, S, D, Z (zombie), X (dead), … */
  readonly state: string;
  readonly ppid: number;
  readonly kernelThread: boolean;
  /** When the process was made: nanoseconds since boot by CLOCK_BOOTTIME, in steps of 10 ms. */
  readonly startBootNs: bigint;
}

/** Parses /proc/PID/stat (proc_pid_stat(5)). Undefined if it does not look like one. */
export function parseProcStat(text: string): ProcStat | undefined {
  // The name is in parentheses, and may itself contain spaces and parentheses.
  const open = text.indexOf('(');
  const close = text.lastIndexOf(')');
  if (open < 0 || close < open) return undefined;
  // Field 3 (state) is the first behind the name.
  const fields = text.slice(close + 2).split(' ');
  const [state, ppid, flags, startTicks] = [fields[0], fields[1], fields[6], fields[19]];
  if (!state || !isNumber(ppid) || !isNumber(flags) || !isNumber(startTicks)) return undefined;
  return {
    comm: text.slice(open + 1, close),
    state,
    ppid: Number(ppid),
    kernelThread: (Number(flags) & kernelThreadFlag) !== 0,
    startBootNs: BigInt(startTicks) * nsPerTick,
  };
}

function isNumber(text: string | undefined): text is string {
  return text !== undefined && /^\d+$/.test(text);
}
