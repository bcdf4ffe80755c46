/** Entry of `bin/uspan`. stdout is for data, stderr for people. */
import { describeError } from '../contract/errors.ts';
import { showStacks } from '../settings/development.ts';
import { parseCommandLine, type Request } from './command-line.ts';
import { exitCodeOf, exitCodes } from './exit-codes.ts';

/** It loads only the command in use: `--help` needs no kernel. */
async function run(request: Request): Promise<number> {
  switch (request.command) {
    case 'print':
      process.stdout.write(request.text);
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

// `uspan discover | head`: what the reader does not read need not be written.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error;
});

let status: number;
try {
  status = await run(parseCommandLine(process.argv.slice(2)));
} catch (error) {
  process.stderr.write(`uspan: ${describeError(error)}\n`);
  if (showStacks && error instanceof Error) process.stderr.write(`${error.stack}\n`);
  status = exitCodeOf(error);
}
// Sockets of an exporter may live on for as long as its timeout.
process.exit(status);
