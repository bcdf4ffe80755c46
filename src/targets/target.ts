import type { ProcessFacts } from '../discovery/processes/process-facts.ts';
import type { RunningFile } from '../probes/attach/running-file.ts';

/** A process that the rules select, or that was forked from one, and of which some definition wants a file. */
export interface Target {
  readonly facts: ProcessFacts;
  /** Its program, if a definition is for it, and libraries. */
  readonly files: RunningFile[];
}

export function isTraced({ files }: Target): boolean {
  return files.some(({ attachments }) => attachments.length > 0);
}

/** A number may be given to another process, and a process can become another program. */
export function isSameProgram(before: ProcessFacts, now: ProcessFacts | undefined): boolean {
  return before.startBootNs === now?.startBootNs && before.exe?.ino === now.exe?.ino;
}
