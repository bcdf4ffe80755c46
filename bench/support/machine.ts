import { cpus, release, totalmem } from 'node:os';
import { runProcess } from '../../test/support/process.ts';

/** The machine of the numbers, printed above them. */
export interface Machine {
  readonly cpu: string;
  readonly cores: number;
  readonly memoryGiB: number;
  readonly kernel: string;
  readonly node: string;
  readonly go: string;
}

export async function describeMachine(): Promise<Machine> {
  const { stdout } = await runProcess('go', ['env', 'GOVERSION']);
  return {
    cpu: cpus()[0]?.model ?? 'unknown',
    cores: cpus().length,
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    kernel: release(),
    node: process.version,
    go: stdout.trim(),
  };
}
