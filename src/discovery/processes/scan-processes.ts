import { readdirSync } from 'node:fs';
import type { ProcessFacts } from './process-facts.ts';
import { readProcess } from './read-process.ts';

/**
 * Every process that /proc shows now, except kernel threads and zombies, by rising pid.
 * @param skip called first with each number. If it returns true, nothing more is read of that process
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
