import { exitCodes } from './exit-codes.ts';

/** The first SIGINT or SIGTERM ends the wait. So does a reader that closes the pipe on stdout. A second signal ends the program at once. */
export function untilStopped(): Promise<NodeJS.Signals> {
  return new Promise((resolve) => {
    let stopping = false;
    const stop = (signal: NodeJS.Signals) => {
      if (stopping) process.exit(signal === 'SIGINT' ? exitCodes.interrupted : exitCodes.terminated);
      stopping = true;
      resolve(signal);
    };
    process.stdout.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code !== 'EPIPE') throw error;
      if (!stopping) stop('SIGTERM');
    });
    process.on('SIGINT', stop);
    process.on('SIGTERM', stop);
  });
}
