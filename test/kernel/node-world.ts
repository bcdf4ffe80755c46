/** What the tests of Node.js tracing share: a Node.js on an inode of its own, fixtures, an agent, and the collector it sends to. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type AgentOptions, type RunningAgent, startAgent } from '../support/agent.ts';
import {
  type NodeFixture,
  type NodeFixtureOptions,
  type NodeRelease,
  ownNodeBinary,
  startNodeFixture,
} from '../support/node-fixture.ts';
import { type OtlpReceiver, startOtlpReceiver } from '../support/otlp-receiver.ts';

export interface NodeWorld {
  readonly receiver: OtlpReceiver;
  /** A release's `node`, one copy for each release. Probes belong to an inode, so other users of it are never seen. */
  binary(release?: NodeRelease): Promise<string>;
  /** Starts a fixture. The world stops it at the latest. */
  fixture(binary: string, script?: string, options?: NodeFixtureOptions): Promise<NodeFixture>;
  /** Starts an agent that exports to the receiver. The world stops it at the latest. */
  agent(options?: Partial<AgentOptions>): Promise<RunningAgent>;
  /** Stops everything and removes the files. */
  close(): Promise<void>;
}

export async function openNodeWorld(): Promise<NodeWorld> {
  const directory = await mkdtemp(join(tmpdir(), 'uspan-node-'));
  const receiver = await startOtlpReceiver();
  const fixtures: NodeFixture[] = [];
  const agents: RunningAgent[] = [];
  const binaries = new Map<NodeRelease, Promise<string>>();
  return {
    receiver,
    binary(release = '24') {
      const known = binaries.get(release) ?? ownNodeBinary(release, directory);
      binaries.set(release, known);
      return known;
    },
    async fixture(binary, script = 'node-http', options) {
      const fixture = await startNodeFixture(binary, script, options);
      fixtures.push(fixture);
      return fixture;
    },
    async agent(options = {}) {
      const agent = await startAgent({ endpoint: receiver.endpoint, ...options });
      agents.push(agent);
      return agent;
    },
    async close() {
      await Promise.all(agents.map((agent) => agent.stop().catch(() => {})));
      await Promise.all(fixtures.map((fixture) => fixture.stop()));
      await receiver.close();
      await rm(directory, { recursive: true, force: true });
    },
  };
}
