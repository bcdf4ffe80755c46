/** Entry of `bin/uspan`. stdout is for data, stderr for people. */
import { errorLines } from '../contract/errors.ts';
import { showStacks } from '../settings/development.ts';
import { parseCommandLine, type Request } from './command-line.ts';
import { exitCodeOf, exitCodes } from './exit-codes.ts';
import { stderr } from './stderr.ts';
import { stdout } from './stdout.ts';

/** It loads only the command in use: `--help` needs no kernel. */
async function run(request: Request): Promise<number> {
  switch (request.command) {
    case 'print':
      stdout.printLines(request.text.trimEnd().split('\n'));
      return exitCodes.ok;
    case 'version':
      return (await import('./version.ts')).version();
    case 'run':
      return (await import('./run.ts')).run(request.given, process.env);
    case 'discover':
      return (await import('./discover.ts')).discover(request.options, request.given, process.env);
    case 'doctor':
      return (await import('./doctor.ts')).doctor(request.options);
    case 'usdt':
      return (await import('./usdt.ts')).usdt(request.options);
    case 'demo':
      return (await import('./demo.ts')).demo(request.options, process.env);
  }
}

let status: number;
try {
  status = await run(parseCommandLine(process.argv.slice(2)));
  await stdout.finish();
} catch (error) {
  const [first, ...more] = errorLines(error);
  const stack = showStacks && error instanceof Error ? (error.stack ?? '').split('\n') : [];
  stderr.printLines([`uspan: ${first}`, ...more, ...stack]);
  await stdout.finish().catch(() => {});
  status = exitCodeOf(error);
}
// Sockets of an exporter may live on for as long as its timeout.
process.exit(status);
