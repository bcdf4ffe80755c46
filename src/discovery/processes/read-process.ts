import { readlinkSync, statSync } from 'node:fs';
import { nulSeparated, readProcFile } from './proc-file.ts';
import { type ProcStat, parseProcStat } from './proc-stat.ts';
import type { Executable, ProcessFacts } from './process-facts.ts';

const maxStatBytes = 4096;
const maxStatusBytes = 8192;
/** Enough to know a program by. Command lines can have megabytes. */
const maxArgvBytes = 64 * 1024;
const deletedSuffix = ' (deleted)';

/** One process by its number. Undefined if it is gone, a zombie, or a thread of the kernel. Never throws. */
export function readProcess(pid: number): ProcessFacts | undefined {
  const stat = readStat(pid);
  if (!stat || stat.kernelThread || stat.state === 'Z' || stat.state === 'X') return undefined;
  const exe = readExecutable(pid);
  const cmdline = readProcFile(`/proc/${pid}/cmdline`, maxArgvBytes);
  const status = readProcFile(`/proc/${pid}/status`, maxStatusBytes);
  // Another process may have got the number in between.
  if (readStat(pid)?.startBootNs !== stat.startBootNs) return undefined;
  const uid = status && /^Uid:\t(\d+)/m.exec(status.toString('latin1'))?.[1];
  return {
    pid,
    ppid: stat.ppid,
    comm: stat.comm,
    startBootNs: stat.startBootNs,
    uid: uid === undefined ? undefined : Number(uid),
    exe,
    argv: cmdline && nulSeparated(cmdline, cmdline.length < maxArgvBytes),
  };
}

function readStat(pid: number): ProcStat | undefined {
  const bytes = readProcFile(`/proc/${pid}/stat`, maxStatBytes);
  return bytes && parseProcStat(bytes.toString('utf8'));
}

/** The path of a process's program, as the process itself sees it. Undefined if it is gone or unreadable. */
export function readProgramPath(pid: number): string | undefined {
  try {
    return withoutMark(readlinkSync(`/proc/${pid}/exe`)).path;
  } catch {
    return undefined;
  }
}

function readExecutable(pid: number): Executable | undefined {
  const link = `/proc/${pid}/exe`;
  try {
    const { dev, ino } = statSync(link, { bigint: true });
    return { ...withoutMark(readlinkSync(link)), dev, ino };
  } catch {
    return undefined;
  }
}

function withoutMark(path: string): Pick<Executable, 'path' | 'deleted'> {
  const deleted = path.endsWith(deletedSuffix);
  return { path: deleted ? path.slice(0, -deletedSuffix.length) : path, deleted };
}
