/** `npm run bench:go-client`: what tracing its calls costs a Go program, by uspan and by the in-process SDK. See docs/bench.md. */
import { runCallBench } from './support/call-bench.ts';
import { runClientTrial } from './support/client-trial.ts';
import { buildClientPrograms } from './support/programs.ts';

await runCallBench({
  file: 'bench/go-client.ts',
  call: 'a call',
  loads: [
    { name: 'full speed', goroutines: 16 },
    { name: 'one at a time', goroutines: 1 },
  ],
  build: buildClientPrograms,
  run: runClientTrial,
});
