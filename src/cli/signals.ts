import { exitCodes } from './exit-codes.ts';

/** The first SIGINT or SIGTERM ends the wait; a second one ends the program at once. */
export function untilStopped(): Promise<NodeJS.Signals> {
  return new Promise((resolve) => {
    let stopping = false;
    const stop = (signal: NodeJS.Signals) => {
      if (stopping) process.exit(signal === 'SIGINT' ? exitCodes.interrupted : exitCodes.terminated);
      stopping = true;
      resolve(signal);
    };
    process.on('SIGINT', stop);
    process.on('SIGTERM', stop);
  });
}
