import { readdirSync, readFileSync } from 'node:fs';

/** What a process has used so far. */
export interface CpuSnapshot {
  /** Nanoseconds on a processor, by thread id. */
  readonly threadNs: ReadonlyMap<string, number>;
  /** utime + stime of all threads, dead ones too, in clock ticks of 10 ms. */
  readonly ticks: number;
}

/** Reads /proc/PID/task/TID/schedstat (proc(5): the first number is time on the CPU, ns) and /proc/PID/stat. */
export function cpuSnapshot(pid: number): CpuSnapshot {
  const threadNs = new Map<string, number>();
  for (const tid of readdirSync(`/proc/${pid}/task`)) {
    const text = readIfThere(`/proc/${pid}/task/${tid}/schedstat`);
    if (text !== undefined) threadNs.set(tid, Number(text.split(' ')[0]));
  }
  // The command name, in parentheses, may contain spaces, so count fields from its end. utime and stime are fields 14 and 15.
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return { threadNs, ticks: Number(fields[11]) + Number(fields[12]) };
}

/** CPU time between two snapshots in microseconds. It is exact if no thread ended, otherwise as coarse as the clock tick. */
export function cpuUsedUs(before: CpuSnapshot, after: CpuSnapshot): number {
  const allAlive = [...before.threadNs.keys()].every((tid) => after.threadNs.has(tid));
  if (!allAlive) return (after.ticks - before.ticks) * 10_000;
  let ns = 0;
  for (const [tid, now] of after.threadNs) ns += now - (before.threadNs.get(tid) ?? 0);
  return ns / 1000;
}

export interface MemoryUse {
  readonly nowMiB: number;
  readonly peakMiB: number;
}

/** VmRSS and VmHWM of /proc/PID/status. */
export function memoryUse(pid: number): MemoryUse {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  const mebibytes = (name: string) => Number(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(status)?.[1]) / 1024;
  return { nowMiB: mebibytes('VmRSS'), peakMiB: mebibytes('VmHWM') };
}

function readIfThere(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined; // the thread has just ended
  }
}
