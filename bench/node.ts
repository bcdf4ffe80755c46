/** `npm run bench:node`: what tracing costs a Node.js server, by uspan and by the in-process SDK. See docs/bench.md. */
import { parseArgs } from 'node:util';
import { startProcess } from '../test/support/process.ts';
import { type Column, type Contest, columns } from './support/contest.ts';
import { describeMachine } from './support/machine.ts';
import { buildNodePrograms, type NodePrograms } from './support/node-programs.ts';
import { startSurroundings } from './support/order-surroundings.ts';
import { summarize } from './support/summary.ts';
import { runTrial, type Trial } from './support/trial.ts';
import { type Load, requireWrk } from './support/wrk.ts';

const usage = `node bench/node.ts [options]
  --quick       one round of one second each
  --rounds N    rounds, alternating between the columns (5)
  --seconds N   length of one measurement (4)
  --server NAME only this one: hello, order
  --json        print every round as JSON
`;

/** One Node.js thread is measured, so more connections would only queue. */
const load: Load = { name: 'full speed', threads: 1, connections: 32 };
const paths = { hello: '/hello', order: '/order/3' } as const;
type Server = keyof typeof paths;

async function main(): Promise<void> {
  const { values: options } = parseArgs({
    options: {
      quick: { type: 'boolean', default: false },
      rounds: { type: 'string' },
      seconds: { type: 'string' },
      server: { type: 'string', multiple: true },
      json: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  });
  if (options.help) {
    process.stdout.write(usage);
    return;
  }
  const rounds = Number(options.rounds ?? (options.quick ? 1 : 5));
  const seconds = Number(options.seconds ?? (options.quick ? 1 : 4));
  const chosen = (Object.keys(paths) as Server[]).filter((name) => options.server?.includes(name) ?? true);
  if (!(rounds > 0 && seconds > 0) || chosen.length === 0) throw new Error(`--help says what can be asked for`);
  await requireWrk();
  const machine = await describeMachine();
  const programs = await buildNodePrograms();
  const say = (text: string) => {
    if (!options.json) console.log(text);
  };
  say(`${machine.cores} × ${machine.cpu}, ${machine.memoryGiB} GiB, Linux ${machine.kernel}`);
  say(`Node.js ${machine.node}; ${rounds} × ${seconds} s a column, medians; wrk -t1 -c${load.connections}`);

  const results: Partial<Record<Server, Partial<Record<Column, readonly Trial[]>>>> = {};
  for (const name of chosen) {
    const surroundings = name === 'order' ? await startSurroundings() : undefined;
    try {
      const contest = contestOf(programs, name, surroundings?.env ?? {});
      const trials = new Map<Column, Trial[]>();
      for (let round = 0; round < rounds; round++) {
        for (const column of columns) {
          const trial = await runTrial(contest, programs.receiver, column, load, seconds);
          trials.set(column, [...(trials.get(column) ?? []), trial]);
        }
      }
      results[name] = Object.fromEntries(trials);
      say(`\n${name}\n${summarize(trials)}`);
    } finally {
      await surroundings?.stop();
    }
  }
  if (options.json) console.log(JSON.stringify({ machine, rounds, seconds, results }, null, 2));
}

function contestOf(programs: NodePrograms, name: Server, env: Readonly<Record<string, string>>): Contest {
  return {
    path: paths[name],
    warmUpSeconds: 3,
    start(column, exportEnv) {
      const node = column === 'uspan' ? programs.observedNode : programs.bareNode;
      const sdk = column === 'sdk' ? ['--require', programs.sdk] : [];
      const traces = { OTEL_METRICS_EXPORTER: 'none', OTEL_LOGS_EXPORTER: 'none' };
      return startProcess(node, [...sdk, programs.server, name], {
        env: { NODE_OPTIONS: undefined, ...env, ...exportEnv, ...(column === 'sdk' && traces) },
      });
    },
  };
}

await main().catch((error: unknown) => {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
});
