import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { startCommanded } from '../../test/support/commanded.ts';
import { startPostgres } from '../../test/support/postgres.ts';
import { type RunningProcess, startProcess } from '../../test/support/process.ts';
import type { NodePrograms } from './node-programs.ts';
import { startSurroundings } from './order-surroundings.ts';
import { fillPgbench, type PgbenchMode, runPgbench } from './pgbench.ts';
import { measuredCpu, pinToCpu } from './pin.ts';
import type { HitsPrograms } from './programs.ts';
import { wrk } from './wrk.ts';

export interface LoadPrograms extends HitsPrograms {
  readonly node: NodePrograms;
}

/** A running program, on a processor of its own, and what makes it work. */
export interface RunningLoad {
  /** What the agent attaches to. */
  readonly exe: string;
  /** A configuration file for the agent. */
  readonly config?: string;
  /** About a second of work. Gives how many spans of the measured kind there should be. */
  run(): Promise<number>;
  stop(): Promise<void>;
}

/** One row of the table. */
export interface HitsLoad {
  /** The definition, and the kind of load. */
  readonly name: string;
  /** What makes one span. */
  readonly unit: string;
  start(programs: LoadPrograms): Promise<RunningLoad>;
}

const connections = { name: 'eight at a time', threads: 1, connections: 8 };
const traceparent = 'traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01';

/** In the order of the table. */
export const hitsLoads: readonly HitsLoad[] = [
  goLoad('go/net/http/server', 'request', '/hello/world?from=bench'),
  goLoad('go/net/http/server, traceparent', 'request', '/hello/world?from=bench', [traceparent]),
  goLoad('go/net/http/client, in a handler', 'call', '/call'),
  goLoad('go/database/sql, in a handler', 'query', '/query'),
  { name: 'node/http/server', unit: 'request', start: startNodeServer },
  nodeCalls('node/http/client', 'call', 'client'),
  nodeCalls('node/pg', 'statement', 'pg'),
  nodeCalls('node/sqlite', 'statement', 'sqlite'),
  pgbenchLoad('postgresql, simple', 'simple'),
  pgbenchLoad('postgresql, prepared', 'prepared'),
  { name: 'usdt pair', unit: 'pair', start: startUsdtPairs },
];

function goLoad(name: string, unit: string, path: string, headers: readonly string[] = []): HitsLoad {
  return {
    name,
    unit,
    async start({ goHandlers, upstream }) {
      const called = await startProcess(upstream);
      const [, calledAddress] = await called.waitForLine(/^listening (\S+)$/);
      const env = { UPSTREAM: `http://${calledAddress}/hello/world`, GOMAXPROCS: undefined };
      const server = await startProcess(goHandlers, [], { env });
      return httpLoad(server, goHandlers, path, headers, async () => void (await called.stop()));
    },
  };
}

async function startNodeServer({ node }: LoadPrograms): Promise<RunningLoad> {
  const server = await startProcess(node.observedNode, [node.server, 'hello'], { env: { NODE_OPTIONS: undefined } });
  return httpLoad(server, node.observedNode, '/hello', [], async () => {});
}

async function httpLoad(
  server: RunningProcess,
  exe: string,
  path: string,
  headers: readonly string[],
  stopOthers: () => Promise<void>,
): Promise<RunningLoad> {
  const [, address] = await server.waitForLine(/^listening (\S+)$/);
  await pinToCpu(server.pid, measuredCpu);
  return {
    exe,
    run: async () => (await wrk(`http://${address}${path}`, connections, 1, headers)).requests,
    stop: async () => {
      await server.stop();
      await stopOthers();
    },
  };
}

function nodeCalls(name: string, unit: string, kind: 'client' | 'pg' | 'sqlite'): HitsLoad {
  return {
    name,
    unit,
    async start({ node }) {
      const surroundings = kind === 'sqlite' ? undefined : await startSurroundings();
      const script = join(node.server, '..', 'calls.cjs');
      const env = { NODE_OPTIONS: undefined, ...surroundings?.env };
      const caller = await startProcess(node.observedNode, [script, kind], { env });
      await caller.waitForLine(/^ready$/);
      await pinToCpu(caller.pid, measuredCpu);
      let round = 0;
      return {
        exe: node.observedNode,
        async run() {
          process.kill(caller.pid, 'SIGUSR2');
          const [, calls] = await caller.waitForLine(new RegExp(`^called ${++round} (\\d+)$`), 60_000);
          return Number(calls);
        },
        async stop() {
          await caller.stop();
          await surroundings?.stop();
        },
      };
    },
  };
}

function pgbenchLoad(name: string, mode: PgbenchMode): HitsLoad {
  return {
    name,
    unit: 'statement',
    async start() {
      const server = await startPostgres();
      await fillPgbench(server);
      // Backends are forks of it.
      await pinToCpu(server.pid, measuredCpu);
      return {
        exe: server.exe,
        run: async () => (await runPgbench(server, mode, 1)).transactions,
        stop: () => server.stop(),
      };
    },
  };
}

/** A program can end more pairs at once than the ring holds. */
const pairsAtOnce = 2000;
const bursts = 10;
const burstPauseMs = 100;

async function startUsdtPairs({ usdtPairs }: LoadPrograms): Promise<RunningLoad> {
  const config = `${usdtPairs}.yaml`;
  await writeFile(
    config,
    `probes:
  - span: "order {id}"
    usdt: { provider: shop, start: open, end: close }
    args:
      id: { arg: 0, type: i32 }
      name: { arg: 1, type: string }
      status: { of: end, arg: 0, type: i16 }
`,
  );
  const program = await startCommanded(usdtPairs);
  await pinToCpu(program.pid, measuredCpu);
  return {
    exe: usdtPairs,
    config,
    async run() {
      for (let burst = 0; burst < bursts; burst++) {
        await program.ask(`threads 1 ${pairsAtOnce}`);
        await sleep(burstPauseMs);
      }
      return bursts * pairsAtOnce;
    },
    stop: async () => void (await program.stop()),
  };
}
