import { type RunningProcess, startProcess } from '../../test/support/process.ts';
import { type Agent, startAgent } from './agent.ts';
import type { Column } from './contest.ts';
import type { CallPrograms } from './programs.ts';
import { exportEnv, startReceiver } from './receiver.ts';
import type { Trial } from './trial.ts';
import { cpuSnapshot, cpuUsedUs, memoryUse } from './usage.ts';

/** How a program makes its calls. */
export interface CallLoad {
  readonly name: string;
  readonly goroutines: number;
  /** Calls a second of all goroutines. Absent: as fast as possible. */
  readonly rate?: number;
}

interface Called {
  readonly calls: number;
  readonly durationUs: number;
  readonly p50Us: number;
  readonly p99Us: number;
}

/**
 * Like runTrial() of trial.ts, for a program that makes calls and starts them on SIGUSR1 (bench/go-client/calls). One call is one request
 * of the table. `args` are the program's own.
 */
export async function runCallTrial(
  programs: CallPrograms,
  column: Column,
  load: CallLoad,
  seconds: number,
  args: readonly string[],
): Promise<Trial> {
  const receiver = column === 'bare' ? undefined : await startReceiver(programs.receiver);
  const program = { bare: programs.bare, uspan: programs.observed, sdk: programs.sdk }[column];
  const env = column === 'sdk' && receiver ? exportEnv(receiver.endpoint) : {};
  const pace = load.rate === undefined ? [] : ['-rate', String(load.rate)];
  const all = [...args, '-goroutines', String(load.goroutines), '-seconds', String(seconds), ...pace];
  const client = await startProcess(program, all, { env: { GOMAXPROCS: undefined, ...env } });
  let agent: Agent | undefined;
  try {
    await client.waitForLine(/^ready$/);
    if (column === 'uspan' && receiver) agent = await startAgent(receiver, ['--pid', String(client.pid)]);
    await callOnce(client, 1);
    await receiver?.settle(300, 2000);
    const spansBefore = (await receiver?.spans()) ?? 0;
    const [appBefore, agentBefore] = [cpuSnapshot(client.pid), agent && cpuSnapshot(agent.process.pid)];
    const { calls, durationUs, p50Us, p99Us } = await callOnce(client, 2);
    const spansAfter = (await receiver?.settle(300, 8000)) ?? 0;
    const appCpuUs = cpuUsedUs(appBefore, cpuSnapshot(client.pid));
    const spans = spansAfter - spansBefore;
    if (column === 'uspan' && spans === 0) {
      throw new Error(`uspan was attached but sent no span: ${agent?.process.stderr().slice(-2000)}`);
    }
    const agentUse = agent &&
      agentBefore && {
        cpuUsPerSpan: cpuUsedUs(agentBefore, cpuSnapshot(agent.process.pid)) / spans,
        memory: memoryUse(agent.process.pid),
      };
    const stopped = await agent?.stop();
    await client.stop();
    const [, handled] = await client.waitForLine(/^handled (\d+)$/);
    return {
      requestsPerSecond: calls / (durationUs / 1e6),
      p50Us,
      p99Us,
      appCpuUsPerRequest: appCpuUs / calls,
      handled: Number(handled),
      ...(receiver && { spansReceived: await receiver.spans() }),
      ...(agentUse && stopped && { agent: { ...agentUse, report: stopped.report } }),
    };
  } finally {
    await agent?.process.stop();
    await client.stop();
    await receiver?.stop();
  }
}

/** Makes the program call, for the `nth` time: the first time for a second, then for as long as its arguments say. */
async function callOnce(client: RunningProcess, nth: number): Promise<Called> {
  process.kill(client.pid, 'SIGUSR1');
  const [, ...numbers] = await client.waitForLine(new RegExp(`^called ${nth} (\\d+) (\\d+) (\\d+) (\\d+)$`), 60_000);
  const [calls = 0, durationUs = 0, p50Us = 0, p99Us = 0] = numbers.map(Number);
  return { calls, durationUs, p50Us, p99Us };
}
