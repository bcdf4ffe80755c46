/** Whom `--port` selects: who listens, however late, and the workers that serve in its place. */
import { copyFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test, vi } from 'vitest';
import { freePorts } from '../support/free-ports.ts';
import { get } from '../support/http.ts';
import { leavesNothingInKernel } from '../support/kernel-leftovers.ts';
import { type RunningProcess, startProcess } from '../support/process.ts';
import { useWorld } from './go-world.ts';
import { describeKernel } from './native-fixture.ts';

const clusterProgram = join(import.meta.dirname, '..', 'fixtures', 'node-cluster', 'main.mjs');

describeKernel('processes that are selected by a port', () => {
  leavesNothingInKernel();
  const world = useWorld();

  /** Sends requests until both workers have served some, and `count` in all. Gives the requests by worker. */
  async function requestsOf(port: number, count: number, path = '/counted'): Promise<Map<number, number>> {
    const served = new Map<number, number>();
    for (let n = 0; n < count || served.size < 2; n++) {
      const worker = Number((await get(port, path)).body.toString());
      served.set(worker, (served.get(worker) ?? 0) + 1);
    }
    return served;
  }

  function spansByProcess(path = '/counted'): Map<number, number> {
    const spans = new Map<number, number>();
    for (const { resource, attributes } of world.receiver.spans()) {
      const pid = Number(resource['process.pid']);
      if (attributes['url.path'] === path) spans.set(pid, (spans.get(pid) ?? 0) + 1);
    }
    return spans;
  }

  /** Node.js on an inode of its own. */
  async function node(): Promise<string> {
    const path = `${await world.binary()}-node`;
    await copyFile(process.execPath, path);
    return path;
  }

  async function startCluster(path: string, port: number): Promise<RunningProcess> {
    const primary = await startProcess(path, [clusterProgram, String(port)]);
    await primary.waitForLine(/^ready$/);
    return primary;
  }

  test('the workers of node:cluster, running before the agent', async () => {
    const [port] = await freePorts(1);
    const primary = await startCluster(await node(), port!);
    const agent = await world.agent({ ports: [port!] });
    const served = await requestsOf(port!, 40);
    await vi.waitFor(() => expect(spansByProcess()).toEqual(served), 20_000);
    await agent.stop();
    await primary.stop();
  });

  test('the workers of node:cluster, started after the agent', async () => {
    const [port] = await freePorts(1);
    const path = await node();
    const agent = await world.agent({ ports: [port!] });
    const primary = await startCluster(path, port!);
    // Until both have their probes.
    while (spansByProcess('/early').size < 2) await requestsOf(port!, 2, '/early');
    const served = await requestsOf(port!, 40);
    await vi.waitFor(() => expect(spansByProcess()).toEqual(served), 20_000);
    await agent.stop();
    await primary.stop();
  });
});
