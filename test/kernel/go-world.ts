/** What the tests of Go tracing share: fixtures on an inode of their own, an agent, and the collector it sends to. */
import { copyFile, mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach } from 'vitest';
import { type AgentOptions, type RunningAgent, type StoppedAgent, startAgent } from '../support/agent.ts';
import {
  buildGoFixture,
  type GoFixture,
  type GoFixtureName,
  type GoFixtureOptions,
  type GoRelease,
  type GoVariant,
  startGoFixture,
} from '../support/go-fixture.ts';
import { type DecodedSpan, type OtlpReceiver, startOtlpReceiver } from '../support/otlp-receiver.ts';

export interface World {
  readonly receiver: OtlpReceiver;
  /** Copies a built fixture. Probes belong to an inode, so other users of the cached build are never seen. */
  binary(go?: GoRelease, variant?: GoVariant, fixture?: GoFixtureName): Promise<string>;
  /** Starts one. The world stops it at the latest. */
  server(path: string, options?: GoFixtureOptions): Promise<GoFixture>;
  /** Starts an agent that exports to the receiver. The world stops it at the latest. */
  agent(options?: Partial<AgentOptions>): Promise<RunningAgent>;
  /** Stops everything and removes the files. */
  close(): Promise<void>;
}

export async function openWorld(protocol: 'grpc' | 'http/protobuf' = 'http/protobuf'): Promise<World> {
  const directory = await mkdtemp(join(tmpdir(), 'uspan-go-'));
  const receiver = await startOtlpReceiver({ protocol });
  const servers: GoFixture[] = [];
  const agents: RunningAgent[] = [];
  let copies = 0;
  return {
    receiver,
    async binary(go = '1.26', variant = 'stripped', fixture = 'go-http') {
      // A directory for each, so that the program keeps its name.
      const to = join(directory, String(copies++), fixture);
      await mkdir(join(to, '..'));
      await copyFile(await buildGoFixture({ fixture, go, variant }), to);
      return to;
    },
    async server(path, options) {
      const server = await startGoFixture(path, options);
      servers.push(server);
      return server;
    },
    async agent(options = {}) {
      const agent = await startAgent({ endpoint: receiver.endpoint, protocol, ...options });
      agents.push(agent);
      return agent;
    },
    async close() {
      await Promise.all(agents.map((agent) => agent.stop().catch(() => {})));
      await Promise.all(servers.map((server) => server.stop()));
      await receiver.close();
      await rm(directory, { recursive: true, force: true });
    },
  };
}

/** A world of its own for each test of this `describe`. */
export function useWorld(): World {
  let current: World;
  beforeEach(async () => {
    current = await openWorld();
  });
  afterEach(() => current.close());
  return {
    get receiver() {
      return current.receiver;
    },
    binary: (...args) => current.binary(...args),
    server: (...args) => current.server(...args),
    agent: (...args) => current.agent(...args),
    close: () => current.close(),
  };
}

/** The spans of one process, oldest first. Waits until there are `count` of them. More than that is an error. */
export async function spansOf(
  receiver: OtlpReceiver,
  pid: number,
  count: number,
  withinMs = 20_000,
): Promise<DecodedSpan[]> {
  const deadline = performance.now() + withinMs;
  for (;;) {
    const spans = receiver.spans().filter((span) => span.resource['process.pid'] === pid);
    if (spans.length > count || (spans.length < count && performance.now() > deadline)) {
      const names = spans.slice(0, 20).map((span) => `${span.name} ${span.attributes['url.path']}`);
      throw new Error(`${spans.length} spans of process ${pid} where ${count} are due: ${names.join(', ')}`);
    }
    if (spans.length === count) return spans.sort((a, b) => Number(a.startUnixNs - b.startUnixNs));
    await sleep(10);
  }
}

/** Hits of a moment over all binaries in a report. */
export function hitsOf({ report }: Pick<StoppedAgent, 'report'>, moment: 'start' | 'end' | 'panic'): number {
  return (report?.probes ?? []).filter((probe) => probe.moment === moment).reduce((sum, { hits }) => sum + hits, 0);
}
