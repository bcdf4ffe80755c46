import type { ProcessFacts } from '../discovery/processes/process-facts.ts';
import type { RunningFile } from '../probes/attach/running-file.ts';

/** A process that the rules select, or that a selected one forked, with a file that some definition wants. */
export interface Target {
  readonly facts: ProcessFacts;
  /** When uspan began to look at it, in ns of CLOCK_MONOTONIC. What it runs since an exec after that is another program. */
  readonly seenAtNs: number;
  /** The last time it was seen to be the same program. */
  sureAtNs: number;
  /** Its libraries, and its program if a definition is for it. */
  readonly files: RunningFile[];
  /** At which level the user was told that it has probes, so that its end is told at the same one. */
  told?: 'info' | 'debug' | undefined;
}

export function isTraced({ files }: Target): boolean {
  return files.some(({ attachments }) => attachments.length > 0);
}

/** A pid may get another process, and a process can become another program. */
export function isSameProgram(before: ProcessFacts, now: ProcessFacts | undefined): boolean {
  return before.startBootNs === now?.startBootNs && before.exe?.ino === now.exe?.ino;
}
