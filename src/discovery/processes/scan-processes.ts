import { readdirSync } from 'node:fs';
import type { ProcessFacts } from './process-facts.ts';
import { readProcess } from './read-process.ts';

/** Every process /proc shows now, kernel threads and zombies aside, by rising pid. */
export function scanProcesses(): ProcessFacts[] {
  const pids = readdirSync('/proc')
    .filter((name) => /^[0-9]+$/.test(name))
    .map(Number)
    .sort((a, b) => a - b);
  return pids.map(readProcess).filter((facts) => facts !== undefined);
}
