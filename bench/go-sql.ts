/** `npm run bench:go-sql`: what tracing its queries costs a Go program, by uspan and by otelsql. See docs/bench.md. */
import { runCallBench } from './support/call-bench.ts';
import { runCallTrial } from './support/call-trial.ts';
import { buildSqlPrograms } from './support/programs.ts';

await runCallBench({
  file: 'bench/go-sql.ts',
  call: 'a query',
  loads: [
    { name: '10,000 a second', goroutines: 8, rate: 10_000 },
    { name: 'one after another', goroutines: 1 },
  ],
  build: buildSqlPrograms,
  run: (programs, column, load, seconds) => runCallTrial(programs, column, load, seconds, []),
});
