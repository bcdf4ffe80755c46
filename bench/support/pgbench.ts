import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { PostgresServer } from '../../test/support/postgres.ts';
import { runProcess } from '../../test/support/process.ts';

export const pgbenchModes = ['simple', 'extended', 'prepared'] as const;
export type PgbenchMode = (typeof pgbenchModes)[number];

export interface PgbenchRun {
  /** Of one statement each. */
  readonly transactions: number;
  readonly perSecond: number;
  /** Processor time of all backends, user and system. */
  readonly backendCpuUs: number;
}

/** `pgbench -i`: 100,000 accounts. */
export async function fillPgbench(server: PostgresServer): Promise<void> {
  await pgbench(server, ['-i', '-q', '-s', '1']);
}

/** `pgbench -S` with 4 clients over the Unix socket: the least time that a statement can take. */
export async function runPgbench(server: PostgresServer, mode: PgbenchMode, seconds: number): Promise<PgbenchRun> {
  const before = endedChildrenCpuUs(server.pid);
  const running = children(server.pid).length;
  const stdout = await pgbench(server, ['-S', '-n', '-c4', '-j1', `-M${mode}`, `-T${seconds}`], (seconds + 60) * 1000);
  // The postmaster knows what a backend used after it has ended.
  while (children(server.pid).length > running) await sleep(5);
  return {
    transactions: numberIn(stdout, /transactions actually processed: (\d+)/),
    perSecond: numberIn(stdout, /^tps = ([\d.]+)/m),
    backendCpuUs: endedChildrenCpuUs(server.pid) - before,
  };
}

async function pgbench(server: PostgresServer, args: readonly string[], deadlineMs = 120_000): Promise<string> {
  const env = { ...server.env, PGHOST: server.socketDirectory };
  const { code, stdout, stderr } = await runProcess(join(server.binDirectory, 'pgbench'), args, { env, deadlineMs });
  if (code !== 0) throw new Error(`pgbench ${args.join(' ')}: ${stderr}`);
  return stdout;
}

function numberIn(text: string, pattern: RegExp): number {
  const value = Number(pattern.exec(text)?.[1]);
  if (Number.isNaN(value)) throw new Error(`pgbench printed nothing like ${pattern}: ${text}`);
  return value;
}

function children(pid: number): string[] {
  return readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(/\s+/);
}

/** cutime and cstime of /proc/PID/stat (proc(5), fields 16 and 17), in clock ticks of 10 ms. */
function endedChildrenCpuUs(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[13]) + Number(fields[14])) * 10_000;
}
