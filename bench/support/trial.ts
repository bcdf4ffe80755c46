import { type Agent, type AgentReport, startAgent } from './agent.ts';
import type { Column, Contest } from './contest.ts';
import { exportEnv, startReceiver } from './receiver.ts';
import { cpuSnapshot, cpuUsedUs, type MemoryUse, memoryUse } from './usage.ts';
import { type Load, wrk } from './wrk.ts';

/** The result of one run of one column under one load. */
export interface Trial {
  readonly requestsPerSecond: number;
  readonly p50Us: number;
  readonly p99Us: number;
  readonly appCpuUsPerRequest: number;
  /** Requests that the server handled from start to end, including the warm-up. It is the number of spans that there should be. */
  readonly handled: number;
  readonly spansReceived?: number;
  readonly agent?: { readonly cpuUsPerSpan: number; readonly memory: MemoryUse; readonly report: AgentReport };
}

/**
 * Starts a server (and the agent, attached before the first request), warms it up, loads it, and stops everything. CPU counts until the
 * spans have arrived, so work that is put off until after the load counts too.
 */
export async function runTrial(
  contest: Contest,
  receiverPath: string,
  column: Column,
  load: Load,
  seconds: number,
): Promise<Trial> {
  const receiver = column === 'bare' ? undefined : await startReceiver(receiverPath);
  const server = await contest.start(column, column === 'sdk' && receiver ? exportEnv(receiver.endpoint) : {});
  let agent: Agent | undefined;
  try {
    const [, address] = await server.waitForLine(/^listening (\S+)$/);
    if (column === 'uspan' && receiver) agent = await startAgent(receiver, ['--pid', String(server.pid)]);
    const url = `http://${address}${contest.path}`;

    await wrk(url, load, contest.warmUpSeconds);
    await receiver?.settle(300, 2000);
    const spansBefore = (await receiver?.spans()) ?? 0;
    const [appBefore, agentBefore] = [cpuSnapshot(server.pid), agent && cpuSnapshot(agent.process.pid)];
    const result = await wrk(url, load, seconds);
    const spansAfter = (await receiver?.settle(300, 8000)) ?? 0;
    const appCpuUs = cpuUsedUs(appBefore, cpuSnapshot(server.pid));
    const spans = spansAfter - spansBefore;
    if (column === 'uspan' && spans === 0) {
      throw new Error(`uspan was attached but sent no span: ${agent?.process.stderr().slice(-2000)}`);
    }
    const agentUse = agent &&
      agentBefore && {
        cpuUsPerSpan: cpuUsedUs(agentBefore, cpuSnapshot(agent.process.pid)) / spans,
        memory: memoryUse(agent.process.pid),
      };

    // The agent first, because it must not see its target end. Then the server, whose SDK exports the rest before it ends.
    const stopped = await agent?.stop();
    await server.stop();
    const [, handled] = await server.waitForLine(/^handled (\d+)$/);
    return {
      requestsPerSecond: result.requests / (result.durationUs / 1e6),
      p50Us: result.p50Us,
      p99Us: result.p99Us,
      appCpuUsPerRequest: appCpuUs / result.requests,
      handled: Number(handled),
      ...(receiver && { spansReceived: await receiver.spans() }),
      ...(agentUse && stopped && { agent: { ...agentUse, report: stopped.report } }),
    };
  } finally {
    await agent?.process.stop();
    await server.stop();
    await receiver?.stop();
  }
}
