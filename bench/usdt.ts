/** `npm run bench:usdt`: what tracing its statements costs PostgreSQL. See docs/bench.md. */
import { parseArgs } from 'node:util';
import { type PostgresServer, startPostgres } from '../test/support/postgres.ts';
import { startAgent } from './support/agent.ts';
import { describeMachine } from './support/machine.ts';
import { fillPgbench, type PgbenchMode, type PgbenchRun, pgbenchModes, runPgbench } from './support/pgbench.ts';
import { buildReceiver } from './support/programs.ts';
import { startReceiver } from './support/receiver.ts';
import { median, readable } from './support/statistics.ts';
import { alignTable } from './support/table.ts';
import { cpuSnapshot, cpuUsedUs } from './support/usage.ts';

const usage = `node bench/usdt.ts [options]
  --rounds N   rounds, alternating between a bare server and one with uspan (7)
  --seconds N  length of one measurement (3)
  --json       print every round as JSON
`;

interface Round {
  readonly bare: PgbenchRun;
  readonly uspan: PgbenchRun;
}

type Rounds = ReadonlyMap<PgbenchMode, readonly Round[]>;

async function main(): Promise<void> {
  const { values: options } = parseArgs({
    options: {
      rounds: { type: 'string', default: '7' },
      seconds: { type: 'string', default: '3' },
      json: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  });
  if (options.help) {
    process.stdout.write(usage);
    return;
  }
  const machine = await describeMachine();
  const receiver = await startReceiver(await buildReceiver());
  // Two servers, because probes belong to an inode, and the bare one's executable must have none.
  const [bare, observed] = [await startPostgres(), await startPostgres()];
  try {
    for (const server of [bare, observed]) {
      await fillPgbench(server);
      await runPgbench(server, 'simple', 1);
    }
    const agent = await startAgent(receiver, ['--exe', observed.exe]);
    const before = cpuSnapshot(agent.process.pid);
    const rounds = await measure(bare, observed, Number(options.rounds), Number(options.seconds));
    const spans = await receiver.settle(1000, 10_000);
    const agentCpuUs = cpuUsedUs(before, cpuSnapshot(agent.process.pid));
    const { report } = await agent.stop();
    const lost = report.lost;
    if (options.json) {
      console.log(JSON.stringify({ machine, rounds: Object.fromEntries(rounds), spans, lost, agentCpuUs }, null, 2));
      return;
    }
    console.log(
      `${machine.cores} × ${machine.cpu}, ${machine.memoryGiB} GiB, Linux ${machine.kernel}, Node.js ${machine.node}`,
    );
    console.log(
      `PostgreSQL ${observed.majorVersion}, pgbench -S -c4 -j1 over a Unix socket; ${options.rounds} × ${options.seconds} s\n`,
    );
    console.log(summarize(rounds));
    const statements = [...rounds.values()].flat().reduce((sum, { uspan }) => sum + uspan.transactions, 0);
    console.log(
      `\n${readable(statements)} statements, ${readable(spans)} spans (pgbench asks a few things of its own), ${lost} lost; ` +
        `agent ${readable(agentCpuUs / spans, 1)} µs a span`,
    );
  } finally {
    await Promise.all([bare.stop(), observed.stop()]);
    await receiver.stop();
  }
}

/** In turn, so that changes of the machine affect both. */
async function measure(
  bare: PostgresServer,
  observed: PostgresServer,
  rounds: number,
  seconds: number,
): Promise<Rounds> {
  const results = new Map<PgbenchMode, Round[]>(pgbenchModes.map((mode) => [mode, []]));
  for (let round = 0; round < rounds; round++) {
    for (const [mode, all] of results) {
      all.push({ bare: await runPgbench(bare, mode, seconds), uspan: await runPgbench(observed, mode, seconds) });
    }
  }
  return results;
}

function summarize(rounds: Rounds): string {
  const cpu = ({ backendCpuUs, transactions }: PgbenchRun) => backendCpuUs / transactions;
  const row = (name: string, cell: (all: readonly Round[]) => string) => [name, ...[...rounds.values()].map(cell)];
  const lowest = (all: readonly Round[], column: keyof Round) => Math.min(...all.map((each) => cpu(each[column])));
  const mid = (all: readonly Round[], pick: (round: Round) => number) => median(all.map(pick));
  return alignTable([
    ['', ...rounds.keys()],
    row('backend CPU, µs a statement, bare', (all) =>
      readable(
        mid(all, ({ bare }) => cpu(bare)),
        1,
      ),
    ),
    row('  with uspan', (all) =>
      readable(
        mid(all, ({ uspan }) => cpu(uspan)),
        1,
      ),
    ),
    row('added, µs a statement', (all) =>
      readable(
        mid(all, ({ bare, uspan }) => cpu(uspan) - cpu(bare)),
        1,
      ),
    ),
    row('  by the lowest rounds', (all) => readable(lowest(all, 'uspan') - lowest(all, 'bare'), 1)),
    row('times bare', (all) =>
      readable(
        mid(all, ({ bare, uspan }) => cpu(uspan) / cpu(bare)),
        2,
      ),
    ),
    row('statements/s, bare', (all) => readable(mid(all, ({ bare }) => bare.perSecond))),
    row('  with uspan', (all) => readable(mid(all, ({ uspan }) => uspan.perSecond))),
  ]);
}

await main();
