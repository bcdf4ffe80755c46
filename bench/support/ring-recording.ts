import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { mkdir, rename } from 'node:fs/promises';
import { join } from 'node:path';
import { startProcess } from '../../test/support/process.ts';
import { startAgent } from './agent.ts';
import type { NodePrograms } from './node-programs.ts';
import { startSurroundings } from './order-surroundings.ts';
import type { HitsPrograms } from './programs.ts';
import { startReceiver } from './receiver.ts';
import { wrk } from './wrk.ts';

const root = join(import.meta.dirname, '..', '..');
const directory = join(root, 'build', 'bench', 'rings');
const seconds = 5;
const load = { name: 'mixed', threads: 1, connections: 8, pauseMs: 4 };

export interface RecordingPrograms extends HitsPrograms {
  readonly node: NodePrograms;
  readonly receiver: string;
}

/**
 * A file of records as the agent drained them: a Go server that calls another and runs a query for each request, a Node.js server that does
 * the same, and the PostgreSQL that they query, all at the same time.
 * It is made again when the layout of records has changed.
 */
export async function ringRecording(programs: RecordingPrograms, again: boolean): Promise<string> {
  const layout = createHash('sha256').update(readFileSync(join(root, 'src', 'probes', 'layout.gen.ts')));
  const path = join(directory, `${layout.digest('hex').slice(0, 16)}.ring`);
  if (again || !existsSync(path)) {
    await mkdir(directory, { recursive: true });
    await record(programs, `${path}.new`);
    await rename(`${path}.new`, path);
  }
  return path;
}

async function record(programs: RecordingPrograms, to: string): Promise<void> {
  const { goHandlers, upstream, node } = programs;
  const surroundings = await startSurroundings();
  const receiver = await startReceiver(programs.receiver);
  const started = [];
  try {
    const called = await startProcess(upstream);
    started.push(called);
    const [, calledAddress] = await called.waitForLine(/^listening (\S+)$/);
    const goServer = await startProcess(goHandlers, [], { env: { UPSTREAM: `http://${calledAddress}/hello/world` } });
    started.push(goServer);
    const env = { NODE_OPTIONS: undefined, ...surroundings.env };
    const nodeServer = await startProcess(node.observedNode, [node.server, 'order'], { env });
    started.push(nodeServer);
    const [, goAddress] = await goServer.waitForLine(/^listening (\S+)$/);
    const [, nodeAddress] = await nodeServer.waitForLine(/^listening (\S+)$/);
    const exes = [goHandlers, node.observedNode, surroundings.postgres.exe];
    const agent = await startAgent(
      receiver,
      exes.flatMap((exe) => ['--exe', exe]),
      { env: { NODE_OPTIONS: `--import=${join(root, 'bench', 'agent', 'record-ring.ts')}`, RECORD_RING: to } },
    );
    await Promise.all([
      wrk(`http://${goAddress}/order`, load, seconds),
      wrk(`http://${nodeAddress}/order/3`, load, seconds),
    ]);
    await agent.stop();
  } finally {
    for (const process of started) await process.stop();
    await receiver.stop();
    await surroundings.stop();
  }
}
