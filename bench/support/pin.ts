import { cpus } from 'node:os';
import { runProcess } from '../../test/support/process.ts';

/** The processor of what is measured, and that of everything else. Neither waits for the other. */
export const measuredCpu = 0;
export const otherCpu = 1;

/** Moves a process, its threads, and everything that it starts from now on, to one processor. Does nothing if there is only one. */
export async function pinToCpu(pid: number, cpu: number): Promise<void> {
  if (cpus().length < 2) return;
  const { code, stderr } = await runProcess('taskset', ['-acp', String(cpu), String(pid)]);
  if (code !== 0) throw new Error(`taskset of process ${pid} failed: ${stderr}`);
}
