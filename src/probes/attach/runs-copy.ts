import type { BinaryFacts } from '../../contract/binary.ts';
import { hasMovedCode } from '../../discovery/processes/moved-code.ts';
import type { ProcessFacts } from '../../discovery/processes/process-facts.ts';

/** Whether a process does not reach the probes on its program. Only Node.js has an option for that, so only its processes are checked. */
export function runsCopy({ pid, exe }: ProcessFacts, binary: BinaryFacts | undefined): boolean {
  return binary?.runtime === 'node' && exe !== undefined && hasMovedCode(pid, exe.ino);
}

/** Why such a process is not traced. */
export const movedDetail =
  'it runs a copy of its code in huge pages (--use-largepages), which probes on the file do not reach';
