import { readdirSync } from 'node:fs';
import type { ProcessFacts } from './process-facts.ts';
import { readProcess } from './read-process.ts';

/**
 * Every process /proc shows now, kernel threads and zombies aside, by rising pid.
 * @param skip asked for each number first: nothing more is read of those that it takes
 */
export function scanProcesses(skip: (pid: number) => boolean = () => false): ProcessFacts[] {
  const pids = readdirSync('/proc')
    .filter((name) => /^[0-9]+$/.test(name))
    .map(Number)
    .sort((a, b) => a - b);
  return pids
    .filter((pid) => !skip(pid))
    .map(readProcess)
    .filter((facts) => facts !== undefined);
}
