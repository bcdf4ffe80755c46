/** `npm run bench:go-client`: what tracing its calls costs a Go program, by uspan and by the in-process SDK. See docs/bench.md. */
import { parseArgs } from 'node:util';
import { type CallLoad, runClientTrial } from './support/client-trial.ts';
import { type Column, columns } from './support/contest.ts';
import { describeMachine } from './support/machine.ts';
import { buildClientPrograms } from './support/programs.ts';
import { summarize } from './support/summary.ts';
import type { Trial } from './support/trial.ts';

const usage = `node bench/go-client.ts [options]
  --rounds N   rounds, alternating between the columns (5)
  --seconds N  length of one measurement (4)
  --json       print every round as JSON
`;

const loads: readonly CallLoad[] = [
  { name: 'full speed', goroutines: 16 },
  { name: 'one at a time', goroutines: 1 },
];

async function main(): Promise<void> {
  const { values: options } = parseArgs({
    options: {
      rounds: { type: 'string', default: '5' },
      seconds: { type: 'string', default: '4' },
      json: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  });
  if (options.help) {
    process.stdout.write(usage);
    return;
  }
  const [rounds, seconds] = [Number(options.rounds), Number(options.seconds)];
  const machine = await describeMachine();
  const programs = await buildClientPrograms();
  const say = (text: string) => {
    if (!options.json) console.log(text);
  };
  say(`${machine.cores} × ${machine.cpu}, ${machine.memoryGiB} GiB, Linux ${machine.kernel}`);
  say(`Node.js ${machine.node}, ${machine.go}; ${rounds} × ${seconds} s a column, medians; a request is a call`);
  const results: Record<string, Partial<Record<Column, readonly Trial[]>>> = {};
  for (const load of loads) {
    const trials = new Map<Column, Trial[]>();
    for (let round = 0; round < rounds; round++) {
      for (const column of columns) {
        const trial = await runClientTrial(programs, column, load, seconds);
        trials.set(column, [...(trials.get(column) ?? []), trial]);
      }
    }
    results[load.name] = Object.fromEntries(trials);
    say(`\n${load.name} (${load.goroutines} goroutines)\n${summarize(trials)}`);
  }
  if (options.json) console.log(JSON.stringify({ machine, rounds, seconds, results }, null, 2));
}

await main().catch((error: unknown) => {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
});
