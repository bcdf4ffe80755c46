import { exitCodes } from './exit-codes.ts';
import { stdout } from './stdout.ts';

const exits = { SIGINT: exitCodes.interrupted, SIGTERM: exitCodes.terminated } as const;

/**
 * Waits for the first SIGINT, SIGTERM or SIGHUP, or until stdout ends: its reader closed the pipe, or it cannot be written. A second SIGINT
 * or SIGTERM ends the program at once. A SIGHUP does not count, because a terminal that goes sends several, in any order with others. Node.js
 * ignores SIGPIPE.
 * @param goesOnWithout whether there is something to do without a stdout that cannot be written
 */
export function untilStopped(goesOnWithout: () => boolean = () => false): Promise<string> {
  return new Promise((resolve) => {
    let asked = false;
    for (const signal of ['SIGINT', 'SIGTERM'] as const) {
      process.on(signal, () => {
        if (asked) process.exit(exits[signal]);
        asked = true;
        resolve(signal);
      });
    }
    process.on('SIGHUP', resolve);
    stdout.onEnded(() => {
      if (stdout.failure === undefined || !goesOnWithout()) resolve('stdout has ended');
    });
  });
}
