import type { BinaryFacts } from '../../contract/binary.ts';
import { hasMovedCode } from '../../discovery/processes/moved-code.ts';
import type { ProcessFacts } from '../../discovery/processes/process-facts.ts';

/** Whether probes on a process's program would not be met: asked of Node.js alone, which has an option for it. */
export function runsCopy({ pid, exe }: ProcessFacts, binary: BinaryFacts | undefined): boolean {
  return binary?.runtime === 'node' && exe !== undefined && hasMovedCode(pid, exe.ino);
}

/** Why such a process is not traced. */
export const movedDetail =
  'it runs a copy of its code in huge pages (--use-largepages), which probes on the file do not reach';
