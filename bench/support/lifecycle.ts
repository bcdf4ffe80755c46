import { type RunningProcess, startProcess } from '../../test/support/process.ts';
import { startAgent } from './agent.ts';
import type { Programs } from './programs.ts';
import { startReceiver } from './receiver.ts';
import { cpuSnapshot, cpuUsedUs } from './usage.ts';

/** The shop's inventory: a stripped Go binary of about 10 MB that listens and waits. */
async function startShop(programs: Programs): Promise<RunningProcess> {
  const shop = await startProcess(programs.shop, ['-role', 'inventory']);
  await shop.waitForLine(/^listening /);
  return shop;
}

/** The agent's word that a process is attached, with the ms from first look to last probe. */
const attachedLine = (pid: number) => new RegExp(`\\battached\\b.*\\b${pid}\\b.*"ms":(\\d+)`);

/** Agent start to `ready`, its attach alone, and SIGTERM to exit, with a running idle process. Idle CPU in between. */
export async function measureAttachAndIdle(programs: Programs, idleSeconds: number) {
  const receiver = await startReceiver(programs.receiver);
  const shop = await startShop(programs);
  try {
    const agent = await startAgent(receiver, ['--pid', String(shop.pid)]);
    try {
      await pause(1000); // what follows a start (first collections, first export) is not idling
      const before = cpuSnapshot(agent.process.pid);
      const from = performance.now();
      await pause(idleSeconds * 1000);
      const cpuMs = cpuUsedUs(before, cpuSnapshot(agent.process.pid)) / 1000;
      const idleCpuPercent = (100 * cpuMs) / (performance.now() - from);
      const [, attachMs] = await agent.process.waitForLine(attachedLine(shop.pid), 1000);
      const { stopMs } = await agent.stop();
      return { readyMs: agent.readyMs, attachMs: Number(attachMs), detachMs: stopMs, idleCpuPercent };
    } finally {
      await agent.process.stop();
    }
  } finally {
    await shop.stop();
    await receiver.stop();
  }
}

/** From the start of a new process to the agent's line that it is attached to that process. */
export async function measureExecToAttached(programs: Programs): Promise<number> {
  const receiver = await startReceiver(programs.receiver);
  try {
    const agent = await startAgent(receiver, ['--exe', programs.shop]);
    try {
      const from = performance.now();
      // It does not wait until the process listens, because the probes can be there first.
      const shop = await startProcess(programs.shop, ['-role', 'inventory']);
      try {
        await agent.process.waitForLine(attachedLine(shop.pid), 10_000);
        return performance.now() - from;
      } finally {
        await shop.stop();
      }
    } finally {
      await agent.process.stop();
    }
  } finally {
    await receiver.stop();
  }
}

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));
