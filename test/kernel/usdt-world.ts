/** What the tests of USDT share: C programs with probes, an agent with probes of the test's own, and the collector it sends to. */
import { execFileSync } from 'node:child_process';
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, beforeEach } from 'vitest';
import { type AgentOptions, type RunningAgent, startAgent } from '../support/agent.ts';
import { type Commanded, startCommanded } from '../support/commanded.ts';
import { type DecodedSpan, type OtlpReceiver, startOtlpReceiver } from '../support/otlp-receiver.ts';

const fixtures = resolve(import.meta.dirname, '../fixtures/usdt');
const sources = {
  pairs: ['gcc', '-pthread', 'pairs.c', '-ldl'],
  'pairs-fixed': ['gcc', '-no-pie', '-fno-pie', '-pthread', 'pairs.c', '-ldl'],
  'liblate.so': ['gcc', '-shared', '-fPIC', 'library.c'],
  'red-zone': ['gcc', 'red-zone.c'],
  throws: ['g++', 'throws.cc'],
} as const;

export type UsdtProgram = keyof typeof sources;

export interface UsdtWorld {
  /** For files of the test. Removed with it. */
  readonly directory: string;
  readonly receiver: OtlpReceiver;
  /** A copy of a program, on an inode of its own. */
  program(name: UsdtProgram): string;
  /** The world stops it at the latest. */
  start(path: string, args?: readonly string[]): Promise<Commanded>;
  /** An agent with this settings file. */
  agent(config: string, options?: Partial<AgentOptions>): Promise<RunningAgent>;
  /** Spans of a process, oldest first. Waits until there are as many. More is an error. */
  spans(pid: number, count: number): Promise<DecodedSpan[]>;
}

/** A new world for each test. */
export function useUsdtWorld(): UsdtWorld {
  let built: string;
  let directory: string;
  let receiver: OtlpReceiver;
  let copies = 0;
  const started: Commanded[] = [];
  const agents: RunningAgent[] = [];

  beforeAll(() => {
    built = mkdtempSync(join(tmpdir(), 'uspan-usdt-built-'));
  });
  afterAll(() => rmSync(built, { recursive: true, force: true }));
  beforeEach(async () => {
    directory = mkdtempSync(join(tmpdir(), 'uspan-usdt-'));
    receiver = await startOtlpReceiver();
  });
  afterEach(async () => {
    await Promise.all(agents.splice(0).map((agent) => agent.stop().catch(() => {})));
    await Promise.all(started.splice(0).map((program) => program.stop()));
    await receiver.close();
    rmSync(directory, { recursive: true, force: true });
  });

  const compiled = new Set<UsdtProgram>();
  return {
    get directory() {
      return directory;
    },
    get receiver() {
      return receiver;
    },
    program(name) {
      const path = join(built, name);
      if (!compiled.has(name)) {
        const [compiler, ...args] = sources[name];
        execFileSync(compiler, ['-O2', '-Wall', '-Wextra', '-Werror', '-o', path, ...args], { cwd: fixtures });
        compiled.add(name);
      }
      // A directory for each, so that the program keeps its name.
      const to = join(directory, String(copies++), name);
      mkdirSync(join(to, '..'));
      copyFileSync(path, to);
      return to;
    },
    async start(path, args) {
      const program = await startCommanded(path, args);
      started.push(program);
      return program;
    },
    async agent(config, options = {}) {
      const file = join(directory, 'uspan.yaml');
      writeFileSync(file, config);
      const agent = await startAgent({
        endpoint: receiver.endpoint,
        ...options,
        extra: ['--config', file, ...(options.extra ?? [])],
      });
      agents.push(agent);
      return agent;
    },
    async spans(pid, count) {
      const deadline = performance.now() + 20_000;
      for (;;) {
        const spans = receiver.spans().filter((span) => span.resource['process.pid'] === pid);
        if (spans.length === count) return spans.sort((a, b) => Number(a.startUnixNs - b.startUnixNs));
        if (spans.length > count || performance.now() > deadline) {
          throw new Error(
            `${spans.length} spans of process ${pid} where ${count} are due: ${spans.map(({ name }) => name).slice(0, 20)}`,
          );
        }
        await sleep(10);
      }
    },
  };
}
