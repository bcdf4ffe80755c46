import { parseArgs } from 'node:util';
import type { CallLoad } from './call-trial.ts';
import { type Column, columns } from './contest.ts';
import { describeMachine } from './machine.ts';
import { summarize } from './summary.ts';
import type { Trial } from './trial.ts';

/** A benchmark of a program that makes calls. */
export interface CallBench<P> {
  /** `bench/go-sql.ts`, for its usage text. */
  readonly file: string;
  /** What the table calls a request. */
  readonly call: string;
  readonly loads: readonly CallLoad[];
  build(): Promise<P>;
  run(programs: P, column: Column, load: CallLoad, seconds: number): Promise<Trial>;
}

const usage = (file: string) => `node ${file} [options]
  --rounds N   rounds, alternating between the columns (5)
  --seconds N  length of one measurement (4)
  --json       print every round as JSON
`;

/** Runs it from the command line: every load, round by round, each column in turn. Ends the process with 1 if it fails. */
export async function runCallBench<P>(bench: CallBench<P>): Promise<void> {
  await main(bench).catch((error: unknown) => {
    console.error(error instanceof Error ? error.message : error);
    process.exitCode = 1;
  });
}

async function main<P>(bench: CallBench<P>): Promise<void> {
  const { values: options } = parseArgs({
    options: {
      rounds: { type: 'string', default: '5' },
      seconds: { type: 'string', default: '4' },
      json: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  });
  if (options.help) {
    process.stdout.write(usage(bench.file));
    return;
  }
  const [rounds, seconds] = [Number(options.rounds), Number(options.seconds)];
  const machine = await describeMachine();
  const programs = await bench.build();
  const say = (text: string) => {
    if (!options.json) console.log(text);
  };
  say(`${machine.cores} × ${machine.cpu}, ${machine.memoryGiB} GiB, Linux ${machine.kernel}`);
  say(`Node.js ${machine.node}, ${machine.go}; ${rounds} × ${seconds} s a column, medians; a request is ${bench.call}`);
  const results: Record<string, Partial<Record<Column, readonly Trial[]>>> = {};
  for (const load of bench.loads) {
    const trials = new Map<Column, Trial[]>();
    for (let round = 0; round < rounds; round++) {
      for (const column of columns) {
        const trial = await bench.run(programs, column, load, seconds);
        trials.set(column, [...(trials.get(column) ?? []), trial]);
      }
    }
    results[load.name] = Object.fromEntries(trials);
    say(`\n${load.name} (${load.goroutines} goroutines)\n${summarize(trials)}`);
  }
  if (options.json) console.log(JSON.stringify({ machine, rounds, seconds, results }, null, 2));
}
