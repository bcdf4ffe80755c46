import { readdirSync } from 'node:fs';
import { readProcFile } from './proc-file.ts';
import { parseProcStat } from './proc-stat.ts';

/** The pids of all processes that this one has started and that still run. It reads one file of every process of the host. */
export function childrenOf(pid: number): number[] {
  return readdirSync('/proc')
    .filter((name) => /^[0-9]+$/.test(name))
    .map(Number)
    .filter((child) => {
      const bytes = readProcFile(`/proc/${child}/stat`, 4096);
      return bytes && parseProcStat(bytes.toString('utf8'))?.ppid === pid;
    });
}
