/** `npm run bench:go-http`: what tracing costs a Go HTTP server, by uspan and by the in-process SDK. See docs/bench.md. */
import { parseArgs } from 'node:util';
import { startProcess } from '../test/support/process.ts';
import { type Column, type Contest, columns } from './support/contest.ts';
import { measureAttachAndIdle, measureExecToAttached } from './support/lifecycle.ts';
import { describeMachine } from './support/machine.ts';
import { buildPrograms, type Programs } from './support/programs.ts';
import { readable } from './support/statistics.ts';
import { summarize } from './support/summary.ts';
import { alignTable } from './support/table.ts';
import { runTrial, type Trial } from './support/trial.ts';
import { type Load, requireWrk } from './support/wrk.ts';

const loads: readonly Load[] = [
  { name: 'full speed', threads: 2, connections: 64 },
  { name: 'fixed rate', threads: 2, connections: 64, pauseMs: 16 },
  { name: 'one at a time', threads: 1, connections: 1 },
];

const options = readOptions();

function readOptions() {
  try {
    return parseArgs({
      allowNegative: true,
      options: {
        quick: { type: 'boolean', default: false },
        json: { type: 'boolean', default: false },
        rounds: { type: 'string' },
        seconds: { type: 'string' },
        load: { type: 'string', multiple: true },
        'require-agent': { type: 'boolean', default: true },
        help: { type: 'boolean', default: false },
      },
    }).values;
  } catch (error) {
    console.error(`${error instanceof Error ? error.message : error}; see --help`);
    process.exit(2);
  }
}

const usage = `node bench/go-http.ts [options]
  --quick           one round of one second each, without the fixed rate (about 30 s in all, once built)
  --rounds N        rounds, alternating between the columns (5)
  --seconds N       length of one measurement (4)
  --load NAME       only this load, repeatable: ${loads.map((load) => `'${load.name}'`).join(', ')}
  --no-require-agent  leave the uspan column out when it can't be attached, in place of failing
  --json            print every round as JSON
`;

/** Why there is no uspan column, once that is known. */
let withoutAgent: string | undefined;

async function main(): Promise<void> {
  const rounds = positive('--rounds', options.rounds ?? (options.quick ? '1' : '5'));
  const seconds = positive('--seconds', options.seconds ?? (options.quick ? '1' : '4'));
  const chosen = loads.filter((load) => options.load?.includes(load.name) ?? !(options.quick && load.pauseMs));
  if (chosen.length === 0) throw new Error(`--load: there are ${loads.map((load) => load.name).join(', ')}`);
  await requireWrk();
  const machine = await describeMachine();
  const programs = await buildPrograms();
  const say = (text: string) => {
    if (!options.json) console.log(text);
  };
  say(`${machine.cores} × ${machine.cpu}, ${machine.memoryGiB} GiB, Linux ${machine.kernel}`);
  say(`Node.js ${machine.node}, ${machine.go}; ${rounds} × ${seconds} s a column, medians`);

  const results: Record<string, Partial<Record<Column, readonly Trial[]>>> = {};
  for (const load of chosen) {
    const trials = await alternate(programs, load, rounds, seconds);
    results[load.name] = Object.fromEntries(trials);
    const pause = load.pauseMs === undefined ? '' : `, each pauses ${load.pauseMs} ms on average`;
    say(`\n${load.name} (wrk -t${load.threads} -c${load.connections}${pause})\n${summarize(trials)}`);
  }
  const lifecycle = await measureLifecycle(programs);
  if (lifecycle) {
    const { readyMs, attachMs, detachMs, execToAttachedMs, idleCpuPercent } = lifecycle;
    const rows = [
      ['attach to a 10 MB stripped Go binary, ms', readable(attachMs)],
      ['  from the start of the agent, ms', readable(readyMs)],
      ['detach and exit, ms', readable(detachMs)],
      ['exec of a target to attached, ms', typeof execToAttachedMs === 'number' ? readable(execToAttachedMs) : '–'],
      ['agent CPU while the target idles, % of a core', readable(idleCpuPercent, 2)],
    ];
    say(`\nagent\n${alignTable(rows)}`);
    if (typeof execToAttachedMs === 'string') say(`exec to attached was not measured: ${execToAttachedMs}`);
  }
  if (withoutAgent) say(`\nwithout uspan: ${withoutAgent}`);
  if (options.json)
    console.log(JSON.stringify({ machine, rounds, seconds, results, lifecycle, withoutAgent }, null, 2));
}

function contestOf(programs: Programs): Contest {
  const program = { bare: programs.bare, uspan: programs.observed, sdk: programs.sdk };
  return {
    path: '/hello/world?from=bench',
    warmUpSeconds: 1,
    start: (column, env) => startProcess(program[column], [], { env: { GOMAXPROCS: undefined, ...env } }),
  };
}

/** Round by round, each column in turn, so that changes of the machine affect all of them. */
async function alternate(programs: Programs, load: Load, rounds: number, seconds: number) {
  const trials = new Map<Column, Trial[]>();
  for (let round = 0; round < rounds; round++) {
    for (const column of columns) {
      if (column === 'uspan' && withoutAgent !== undefined) continue;
      const trial = await unlessAgentFails(column, () =>
        runTrial(contestOf(programs), programs.receiver, column, load, seconds),
      );
      if (trial) trials.set(column, [...(trials.get(column) ?? []), trial]);
    }
  }
  return trials;
}

async function measureLifecycle(programs: Programs) {
  if (withoutAgent !== undefined) return undefined;
  const measured = await unlessAgentFails('uspan', () => measureAttachAndIdle(programs, options.quick ? 2 : 10));
  if (!measured) return undefined;
  const execToAttachedMs = await measureExecToAttached(programs).catch((error: unknown) => {
    if (options['require-agent']) throw error;
    return firstLine(error);
  });
  return { ...measured, execToAttachedMs };
}

async function unlessAgentFails<T>(column: Column, measure: () => Promise<T>): Promise<T | undefined> {
  try {
    return await measure();
  } catch (error) {
    if (column !== 'uspan' || options['require-agent']) throw error;
    withoutAgent = firstLine(error);
    return undefined;
  }
}

const firstLine = (error: unknown) =>
  (error instanceof Error ? error.message : String(error)).split('\n').slice(0, 3).join(' ').slice(0, 400);

function positive(name: string, text: string): number {
  const n = Number(text);
  if (!Number.isInteger(n) || n < 1) throw new Error(`${name}: ${text} is no positive whole number`);
  return n;
}

if (options.help) process.stdout.write(usage);
else {
  await main().catch((error: unknown) => {
    console.error(error instanceof Error ? error.message : error);
    process.exitCode = 1;
  });
}
