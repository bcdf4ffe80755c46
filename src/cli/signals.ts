import { exitCodes } from './exit-codes.ts';
import { stdout } from './stdout.ts';

const exits = { SIGINT: exitCodes.interrupted, SIGTERM: exitCodes.terminated } as const;

/**
 * Waits for the first SIGINT, SIGTERM or SIGHUP, or until stdout ends: its reader closed the pipe, or it cannot be written. A second SIGINT
 * or SIGTERM ends the program at once. A SIGHUP never does, because a terminal that goes sends several. Node.js ignores SIGPIPE.
 * @param goesOnWithout whether there is something to do without a stdout that cannot be written
 */
export function untilStopped(goesOnWithout: () => boolean = () => false): Promise<string> {
  return new Promise((resolve) => {
    let stopping = false;
    const stop = (why: string) => {
      stopping = true;
      resolve(why);
    };
    for (const signal of ['SIGINT', 'SIGTERM'] as const) {
      process.on(signal, () => {
        if (stopping) process.exit(exits[signal]);
        stop(signal);
      });
    }
    process.on('SIGHUP', stop);
    stdout.onEnded(() => {
      if (stdout.failure === undefined || !goesOnWithout()) stop('stdout has ended');
    });
  });
}
